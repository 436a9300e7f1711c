"""The daemon as a whole: start the parts in order, wait for a signal, stop them in reverse."""

from __future__ import annotations

import gc
import logging
import secrets
import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from queuectl.clock import monotonic, now_ms
from queuectl.domain.task import Claimed
from queuectl.operations.home_lock import HomeLock
from queuectl.operations.opening import open_database
from queuectl.settings import Isolation, Loaded, Settings
from queuectl.store import queues
from queuectl.store.nodes import NodeReport
from queuectl.store.ordering import apply_aging
from queuectl_daemon import endings, log
from queuectl_daemon.actors import Attempts, declare
from queuectl_daemon.broker import ClaimedBroker
from queuectl_daemon.budgets import Budgets
from queuectl_daemon.capacity import Capacity
from queuectl_daemon.chores import Chores
from queuectl_daemon.crew import Crew
from queuectl_daemon.feed import FeedWriter
from queuectl_daemon.flights import Flights
from queuectl_daemon.kinds import Kinds
from queuectl_daemon.leaving import sign_off, was_done
from queuectl_daemon.listener import Listener
from queuectl_daemon.measures import Measures
from queuectl_daemon.metrics import Metrics
from queuectl_daemon.middleware import DeadLetters
from queuectl_daemon.node_report import node_report, transport_name
from queuectl_daemon.notify import Notifier, Reporting
from queuectl_daemon.published import PublishedFiles
from queuectl_daemon.pump import Pump
from queuectl_daemon.recovery import Recovery
from queuectl_daemon.reload import Reload
from queuectl_daemon.runner import Runner
from queuectl_daemon.runner.context import LOGGER as TASK_LOGGER
from queuectl_daemon.signals import Signals
from queuectl_daemon.transport import RedisTransport
from queuectl_daemon.web.server import WebPage
from queuectl_daemon.window import Pace

logger = logging.getLogger("queuectl.daemon")

_WORKER_TIMEOUT_MS = 200
_WORKER_STOP_MS = 3_000
_FORCE_SECONDS = 3.0
_FLUSH_SECONDS = 10.0


class Service:
    """One daemon process."""

    def __init__(
        self, settings: Settings, *, read: Callable[[], Loaded], log_file: Path | None = None
    ) -> None:
        self.settings = settings
        self._read = read
        self._log_file = log_file
        self.node = secrets.token_hex(8)
        self._started_at = now_ms()
        self._signals = Signals()
        self._failure: str | None = None
        self._flights = Flights()
        self._budgets = Budgets(settings)
        self._lock = HomeLock(settings.home, settings.database_url)
        self._web = WebPage(settings)
        self._notifier = Notifier()  # before there are children that could inherit its variables
        # The fork server must begin while this process has one thread and no connection.
        self._runner = Runner(settings, on_progress=self._progressed)
        kinds = Kinds(settings.caps_of_kinds, self._kind_of, self._runner.kinds)
        workers = 0 if settings.role == "scheduler" else settings.workers
        self._capacity = Capacity(self._flights, workers, kinds, in_turns=bool(settings.priority_aging))
        self._measures = Measures(self._flights, self._capacity)

    def run(self) -> int:
        """Run until a signal; return the exit status.

        Raises:
            QueuectlError: the daemon cannot start.
        """
        with ExitStack() as parts:  # whatever was started is stopped in reverse, however this ends
            self._lock.take()
            parts.callback(self._lock.free)
            parts.callback(self._runner.stop)
            self._web.bind()
            self._runner.start()
            self._signals.listen()
            self._start(parts)
            self._lock.announce(self.node)
            self._reporting.start()
            self._wait()
            self._drain()
        if self._failure:
            logger.critical("stopped: %s", self._failure, extra={"action": "failed"})
        return 1 if self._failure else 0

    # Start.

    def _start(self, parts: ExitStack) -> None:
        self._database = open_database(self.settings)
        if apply_aging(self._database, self.settings.priority_aging):
            logger.info(
                "priority_aging is %s now, for all that use this database; waiting tasks are ranked by it",
                self.settings.priority_aging or "off",
                extra={"action": "ranked_anew"},
            )
        with self._database.reading() as transaction:
            self._budgets.learn(queues.rules(transaction))
        self._database.on_observed = self._measures.take
        self._pump = self._make_pump()
        self._pump.delivers = self.settings.publish_webhook is not None
        self._files = PublishedFiles(self._database, self.settings.home)
        self._feed = FeedWriter(self._database, self.settings.home, lambda: self._pump.articles_stored)
        parts.callback(self._leave)
        TASK_LOGGER.addHandler(self._flights.logs)
        parts.callback(TASK_LOGGER.removeHandler, self._flights.logs)
        self._start_recovery(parts)
        self._start_worker(parts)
        self._start_transport(parts)
        self._reporting = Reporting(
            self._notifier, steps=lambda: self._pump.steps, is_ready=self._answers, status=self._status
        )
        parts.callback(self._reporting.end)
        parts.callback(self._stop_pump)
        self._web.load()
        gc.freeze()  # what is there now stays, and to look through it for garbage stops every thread for 30 ms
        self._pump.start()
        listener = Listener(self.settings.home, self._database, self._pump.wake)
        parts.callback(listener.stop)
        listener.start()
        self._start_chores(parts)
        parts.callback(self._web.stop)
        self._web.start(self._database, Metrics(self.settings, self._database, self._measures))
        logger.info(
            "node %s is ready: %d workers, %s, %s",
            self.node,
            self._capacity.workers,
            self._database.shown,
            transport_name(self._pump.transport),
            extra={"action": "ready", "node": self.node},
        )

    def _make_pump(self) -> Pump:
        dead_letters = DeadLetters(self._budgets.rule_for, lambda ending: pump.finish(ending))
        broker = ClaimedBroker([dead_letters])
        pump = Pump(
            self._database,
            self._flights,
            node=self.node,
            capacity=self._capacity,
            aging=bool(self.settings.priority_aging),
            hand_over=lambda works: broker.hand_over(self._attempts.hand_over(works)),
            cancel=self._cancel,
            scale=self._scale,
            on_rules=self._budgets.learn,
            describe=self._describe,
            on_tick=self._measures.note_tick,
        )
        self._crew = Crew(broker, most=self._capacity.workers, worker_timeout=_WORKER_TIMEOUT_MS)
        self._attempts = Attempts(
            self._flights,
            self._runner,
            self._budgets,
            finish=pump.finish,
            judge=dead_letters.judge,
            crew=self._crew,
        )
        declare(broker, self._attempts)
        return pump

    def _start_recovery(self, parts: ExitStack) -> None:
        recovery = Recovery(
            self._database,
            self.node,
            self._budgets.rule_for,
            predecessor=self._lock.predecessor,
            on_released=self._pump.wake,
        )
        parts.callback(recovery.stop)
        recovery.boot()

    def _start_worker(self, parts: ExitStack) -> None:
        if self._capacity.is_capped:
            self._runner.learn()  # or an async def would be held back by the cap of threads until it has run once
        self._crew.broker.emit_after("process_boot")
        parts.callback(self._crew.stop, timeout=_WORKER_STOP_MS)
        self._crew.start()

    def _start_transport(self, parts: ExitStack) -> None:
        if self.settings.redis_url is None:
            return
        transport = RedisTransport(
            self.settings.redis_url,
            self.settings.redis_namespace,
            on_messages=self._pump.receive,
            on_lost=self._pump.transport_lost,
            on_switch=self._pump.transport_switched,
        )
        self._pump.transport = self._measures.transport = transport
        parts.callback(transport.stop)
        transport.connect()
        transport.start()

    def _start_chores(self, parts: ExitStack) -> None:
        wake, on_late = self._pump.wake, self._measures.note_lag
        self._chores = Chores(self._database, self.settings, self.node, wake=wake, on_late=on_late)
        self._chores.publish(self._files, self._feed, self._lock.predecessor)
        if self._pump.transport is not None:
            self._chores.resend()
        parts.callback(self._chores.stop)
        self._chores.start()

    # While it runs.

    def _wait(self) -> None:
        while not self._signals.stops and self._failure is None:
            self._signals.wait(0.5)
            self._chores.keep_time()
            if self._signals.take_reload():
                self._reload()
            if self._pump.failure is not None:
                self._fail("the pump has failed")

    def _fail(self, reason: str) -> None:
        self._failure = self._failure or reason
        self._signals.wake()

    def _reload(self) -> None:
        self._until(lambda: self._pump.steps > 0, _FLUSH_SECONDS)  # by then this node is listed
        self._reporting.reloading()
        reload = Reload(self._database, self.node, read=self._read, adopt=self._adopt)
        reload.run(self.settings)
        self._reporting.reloaded()

    def _adopt(self, settings: Settings) -> None:
        """Go by these settings for what begins from now on; the number of workers comes by the database."""
        self.settings = settings
        log.set_up(settings, self._log_file)
        self._budgets.adopt(settings)
        self._runner.adopt(settings)
        self._chores.adopt(settings)
        self._web.adopt(settings)

    def _cancel(self, task: int, fence: int) -> None:
        flight = self._flights.get(task, fence)
        if flight is not None and not flight.cancelled:
            flight.cancelled = True
            self._runner.cancel(task, fence)

    def _scale(self, workers: int) -> None:
        """Run so many tasks at a time from now on: more at once, fewer as the present ones end."""
        logger.info(
            "%d workers from now on, %d until now",
            workers,
            self._capacity.workers,
            extra={"action": "scaled", "node": self.node},
        )
        self._capacity.workers = workers
        self._runner.resize(workers)
        self._crew.resize(workers)
        self._attempts.go_on()
        self._pump.wake()

    def _kind_of(self, work: Claimed) -> Isolation:
        return self._runner.kind_of(self._budgets.applied(work))

    def _progressed(self, task: int, fence: int, fraction: float, note: str) -> None:
        flight = self._flights.get(task, fence)
        if flight is not None:
            flight.fraction, flight.note = fraction, note

    def _answers(self) -> bool:
        """Tell whether the database and, where there is one, Redis have answered."""
        transport = self._pump.transport
        return self._pump.steps > 0 and not self._pump.is_down and (transport is None or transport.up)

    def _status(self) -> str:
        """Return one line for whoever asks the service manager."""
        said = f"{self._flights.running_count()} of {self._capacity.workers} workers busy"
        if self._pump.is_down:
            said += "; the database does not answer"
        if self._pump.transport is not None and not self._pump.transport.up:
            said += "; Redis does not answer, work goes on without it"
        return said

    def _describe(self, pace: Pace) -> NodeReport:
        return node_report(
            self.node,
            self.settings,
            started_at=self._started_at,
            flights=self._flights,
            capacity=self._capacity,
            runner=self._runner,
            transport=self._pump.transport,
            per_minute=pace.per_minute(),
        )

    # Stop.

    def _drain(self) -> None:
        """Claim nothing more, let runs end within the grace period, then give back what is left."""
        if self._failure is None:
            logger.info(
                "stopping; running tasks have %g s", self.settings.grace_period, extra={"action": "stopping"}
            )
        self._reporting.stop(self.settings.grace_period)
        self._chores.stop_schedules()
        self._pump.drain()
        self._until(lambda: self._is_idle() or self._signals.stops > 1, self.settings.grace_period)
        if self._flights.running_count():
            self._runner.interrupt()
            self._until(self._is_idle, _FORCE_SECONDS)
        for flight in self._flights.running():
            self._pump.finish(endings.interrupted(flight.work))
        self._until(lambda: self._flights.unrecorded == 0, _FLUSH_SECONDS)

    def _is_idle(self) -> bool:
        return self._flights.running_count() == 0 and self._flights.unrecorded == 0

    def _until(self, condition: Callable[[], bool], seconds: float) -> None:
        deadline = monotonic() + seconds
        pause = threading.Event()
        while not condition() and monotonic() < deadline and self._pump.is_alive():
            pause.wait(0.01)

    def _stop_pump(self) -> None:
        self._pump.stop()
        self._pump.join(_FLUSH_SECONDS)

    def _leave(self) -> None:
        """Bring the feed up to date and take this node off the list; what it still holds is left to its recovery."""
        was_done("bring the feed up to date", self._feed.write_if_new)
        if self._pump.articles_stored:
            was_done("force the published files to the disk", lambda: self._files.settle(self.node))
        if was_done("say goodbye", lambda: sign_off(self._database, self.node)):
            self._lock.leave()
        self._database.close()
