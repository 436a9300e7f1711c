"""The daemon as a whole: start the parts in order, wait for a signal, stop them in reverse."""

from __future__ import annotations

import gc
import logging
import secrets
import signal
import threading
from collections.abc import Callable
from contextlib import ExitStack

from queuectl.clock import monotonic, now_ms
from queuectl.domain.task import Claimed
from queuectl.errors import QueuectlError
from queuectl.operations.home_lock import HomeLock
from queuectl.operations.opening import open_database
from queuectl.settings import Isolation, Settings
from queuectl.store import nodes, queues, schedules, tasks
from queuectl.store.nodes import NodeReport
from queuectl.store.ordering import apply_aging
from queuectl_daemon import endings
from queuectl_daemon.actors import Attempts, declare
from queuectl_daemon.adding_up import AddingUp
from queuectl_daemon.anchor import ANCHOR_SECONDS, AuditAnchor
from queuectl_daemon.broker import ClaimedBroker
from queuectl_daemon.budgets import Budgets
from queuectl_daemon.capacity import Capacity
from queuectl_daemon.crew import Crew
from queuectl_daemon.feed import FeedWriter
from queuectl_daemon.flights import Flights
from queuectl_daemon.kinds import Kinds, caps_of
from queuectl_daemon.listener import Listener
from queuectl_daemon.middleware import DeadLetters
from queuectl_daemon.node_report import node_report, transport_name
from queuectl_daemon.pruning import prune_starts
from queuectl_daemon.published import PublishedFiles
from queuectl_daemon.pump import Pump
from queuectl_daemon.recovery import Recovery
from queuectl_daemon.retention import Retention
from queuectl_daemon.runner import Runner
from queuectl_daemon.runner.context import LOGGER as TASK_LOGGER
from queuectl_daemon.schedules import LOOK_SECONDS, Schedules
from queuectl_daemon.ticker import Ticker
from queuectl_daemon.transport import RedisTransport
from queuectl_daemon.web.server import WebPage
from queuectl_daemon.window import Pace

logger = logging.getLogger("queuectl.daemon")

_WORKER_TIMEOUT_MS = 200
_WORKER_STOP_MS = 3_000
_LATE_MESSAGE_MS = 15_000
_LATE_LOOK_SECONDS = 5
_FEED_SECONDS = 2
_PRUNE_SECONDS = 30
_RETENTION_SECONDS = 60
_FORCE_SECONDS = 3.0
_FLUSH_SECONDS = 10.0


class Service:
    """One daemon process."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.node = secrets.token_hex(8)
        self._started_at = now_ms()
        self._signals = 0
        self._signalled = threading.Event()
        self._failure: str | None = None
        self._flights = Flights()
        self._budgets = Budgets(settings)
        self._lock = HomeLock(settings.home, settings.database_url)
        # The fork server must begin while this process has one thread and no connection.
        self._runner = Runner(settings, on_progress=self._progressed)
        kinds = Kinds(caps_of(settings), self._kind_of, self._runner.kinds)
        in_turns = bool(settings.priority_aging)
        self._capacity = Capacity(self._flights, settings.workers, kinds, in_turns=in_turns)

    def run(self) -> int:
        """Run until a signal; return the exit status.

        Raises:
            QueuectlError: the daemon cannot start.
        """
        with ExitStack() as parts:  # whatever was started is stopped in reverse, however this ends
            self._lock.take()
            parts.callback(self._lock.free)
            parts.callback(self._runner.stop)
            self._runner.start()
            self._listen_to_signals()
            self._start(parts)
            self._lock.announce(self.node)
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
        self._pump = self._make_pump()
        web = WebPage(self.settings, self._database)
        web.bind()
        self._files = PublishedFiles(self._database, self.settings.home)
        self._feed = FeedWriter(self._database, self.settings.home, lambda: self._pump.articles_stored)
        parts.callback(self._leave)
        TASK_LOGGER.addHandler(self._flights.logs)
        parts.callback(TASK_LOGGER.removeHandler, self._flights.logs)
        self._start_recovery(parts)
        self._start_worker(parts)
        self._start_transport(parts)
        parts.callback(self._stop_pump)
        gc.freeze()  # what is there now stays, and to look through it for garbage stops every thread for 30 ms
        self._pump.start()
        listener = Listener(self.settings.home, self._database, self._pump.wake)
        parts.callback(listener.stop)
        listener.start()
        self._start_ticker(parts)
        parts.callback(web.stop)
        web.start()
        logger.info(
            "node %s is ready: %d workers, %s, %s",
            self.node,
            self.settings.workers,
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
        self._pump.transport = transport
        parts.callback(transport.stop)
        transport.connect()
        transport.start()

    def _start_ticker(self, parts: ExitStack) -> None:
        ticker = Ticker()
        self._schedules = Schedules(
            self._database, self.settings, self.node, ring=ticker.at, on_submitted=self._pump.wake
        )
        ticker.every(LOOK_SECONDS, "schedules", self._schedules.look)
        ticker.every(_FEED_SECONDS, "feed", self._feed.write_if_new)
        predecessor = self._lock.predecessor
        if predecessor is not None:
            ticker.once("published files", lambda: self._files.mend(predecessor))
        ticker.every(_PRUNE_SECONDS, "old starts", lambda: prune_starts(self._database))
        retention = Retention(
            self._database,
            days=self.settings.retention_days,
            dead_letter_days=self.settings.dead_letter_days,
            undo_days=self.settings.undo_days,
        )
        ticker.every(_RETENTION_SECONDS, "retention", retention.sweep, at_once=True)
        parts.callback(retention.stop)
        parts.callback(AddingUp(self._database, self.settings).begin(ticker))
        ticker.every(ANCHOR_SECONDS, "audit anchor", AuditAnchor(self._database).tell, at_once=True)
        if self._pump.transport is not None:
            ticker.every(_LATE_LOOK_SECONDS, "late messages", self._redispatch_late)
        parts.callback(ticker.stop)
        ticker.start()
        self._ticker = ticker

    # While it runs.

    def _wait(self) -> None:
        while not self._signals and self._failure is None:
            self._signalled.wait(0.5)
            self._ticker.keep_time()
            if self._pump.failure is not None:
                self._fail("the pump has failed")

    def _listen_to_signals(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            # Under nohup a daemon outlives its terminal; elsewhere it must not die with it like one that was killed.
            if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._signal)

    def _signal(self, number: int, frame: object) -> None:
        del number, frame
        self._signals += 1
        self._signalled.set()

    def _fail(self, reason: str) -> None:
        self._failure = self._failure or reason
        self._signalled.set()

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

    def _redispatch_late(self) -> None:
        with self._database.writing() as transaction:
            # Its own only: they carry its own clock's time, and a dead node's are released by recovery.
            late = tasks.release_dispatched(transaction, node=self.node, before=now_ms() - _LATE_MESSAGE_MS)
        if late:
            self._pump.wake()

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
        self._schedules.stop()
        self._pump.drain()
        self._until(lambda: self._is_idle() or self._signals > 1, self.settings.grace_period)
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
        try:
            self._feed.write_if_new()
            if self._pump.articles_stored:
                self._files.settle(self.node)
            with self._database.writing() as transaction:
                tasks.release_dispatched(transaction, node=self.node)
                schedules.release(transaction, self.node)
                nodes.remove(transaction, self.node)
            self._lock.leave()
        except QueuectlError as error:
            logger.warning("could not say goodbye: %s", error.message)
        self._database.close()
