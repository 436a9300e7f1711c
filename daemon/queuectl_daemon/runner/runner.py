"""Where a claimed task's handler runs, and what came of it: the only thing that the rest of the daemon sees."""

from __future__ import annotations

import contextlib
import logging
import shutil
import threading
from collections.abc import Callable
from dataclasses import dataclass

from queuectl.clock import monotonic
from queuectl.domain.outcome import Outcome
from queuectl.domain.task import Claimed, task_name
from queuectl.domain.visible import visible
from queuectl.errors import QueuectlError, RetryableError
from queuectl.handlers import registry
from queuectl.handlers.contract import Handler
from queuectl.handlers.function import completed, is_async
from queuectl.settings import HandlerSettings, Isolation, Settings
from queuectl_daemon.runner import outcomes
from queuectl_daemon.runner.direct_context import DirectContext, handler_task
from queuectl_daemon.runner.forkserver import ForkServer
from queuectl_daemon.runner.loop_runs import LoopRuns
from queuectl_daemon.runner.outcomes import cancelled, interrupted
from queuectl_daemon.runner.process_runs import ProcessRuns
from queuectl_daemon.runner.watch import Run, Watch

_LOGGER = logging.getLogger(__name__)
_REMEMBERED_CANCELS = 1000

Key = tuple[int, int]
"""A run: the task's number and its fence."""


@dataclass(frozen=True, slots=True)
class _Way:
    """How tasks of one handler run: by calling ``handler`` in the daemon, or, without one, in a child process."""

    kind: Isolation
    handler: Handler | None = None


class Runner:
    """Runs claimed tasks, many at once, within their limits.

    A handler with ``isolation = "process"`` runs in a child process, and its limits are enforced whatever it does.
    One with ``isolation = "thread"`` is called in the calling thread: fast, but nothing can stop it by force; a time
    limit there only leads to a warning. An ``async def`` that is not for a process runs in the event loop, where it
    is cancelled and ended at its time limit for as long as it awaits. A task with a memory limit, or one whose process
    died before, always runs in a child process.
    """

    def __init__(self, settings: Settings, *, on_progress: Callable[[int, int, float, str], None]) -> None:
        self._settings = settings
        self._on_progress = on_progress
        self._ways: dict[str, _Way] = {}
        self._calls: dict[Key, DirectContext] = {}
        self._runs: dict[Key, Run] = {}
        self._cancels: dict[Key, None] = {}
        self._cancelling = threading.Lock()
        self._interrupted = False
        self._watch = Watch(ForkServer(settings), settings.workers)
        self._process_runs = ProcessRuns(self._watch, settings.home, self._report)
        self._loop_runs = LoopRuns(self._report)

    def start(self) -> None:
        """Start the fork server; to be called before the daemon has other threads."""
        # What commands of a killed daemon left there.
        shutil.rmtree(self._settings.home / "run" / "work", ignore_errors=True)
        self._watch.start()

    def adopt(self, settings: Settings) -> None:
        """Run what begins from now on by these settings; what is at work goes on by the former ones.

        A child process that is idle, or ends its run, gives way to a new one, which imports its handlers afresh.
        """
        self._settings = settings
        self._ways = {}
        self._watch.children.adopt(settings)

    @property
    def healthy(self) -> bool:
        """Whether child processes can be made."""
        return self._watch.is_healthy

    def resize(self, workers: int) -> None:
        """Have so many children at the most from now on; those beyond that end when they have nothing to do."""
        self._watch.children.resize(workers)

    def kind(self, name: str) -> Isolation:
        """Return where tasks of this handler run, as far as that is known before the first one has run.

        An ``async def`` is known as such once it has been imported; see ``learn``.
        """
        way = self._ways.get(name)
        if way is not None:
            return way.kind
        try:
            return _isolation(registry.specification(name, self._settings))
        except QueuectlError:  # such tasks end at once
            return "thread"

    def kind_of(self, work: Claimed) -> Isolation:
        """Return where this task runs, whose limits are those in effect."""
        return "process" if self.needs_process(work) else self.kind(work.handler)

    def kinds(self) -> dict[str, Isolation]:
        """Return where tasks of each known handler run."""
        return {name: self.kind(name) for name in registry.names(self._settings)}

    def learn(self) -> None:
        """Import the handlers that run in this process, so that it is known where they do."""
        for name in registry.names(self._settings):
            with contextlib.suppress(QueuectlError):  # its first task will say so
                self._find_way(name)

    def is_async(self, handler: str) -> bool:
        """Whether it is known that tasks of this handler run in the event loop, unless they need a process."""
        way = self._ways.get(handler)
        return way is not None and way.kind == "async"

    @staticmethod
    def needs_process(work: Claimed) -> bool:
        """Whether a task, whose limits are those in effect, runs in a child process whatever its handler is."""
        # A run during which a daemon died may have been what killed it, and takes no other along from a child.
        return work.memory_limit is not None or work.crashes > 0

    def take_up(self, work: Claimed, done: Callable[[Outcome], None]) -> bool:
        """Begin a task that runs in the event loop and return; False for any other task, which ``run`` runs.

        ``done`` is called once with the outcome, from another thread.

        Raises:
            NoLoopError: There is no event loop and none can be started; the task has not begun.
        """
        try:
            way = self._ways.get(work.handler) or self._find_way(work.handler)
        except BaseException:  # noqa: BLE001 - ``run`` meets the same error and turns it into an outcome
            return False
        if way.kind != "async" or way.handler is None or self.needs_process(work):
            return False
        self._loop_runs.start(work, way.handler, done)
        if (work.id, work.fence) in self._cancels:
            self._loop_runs.cancel(work.id, work.fence)
        return True

    @property
    def abandoned(self) -> int:
        """How many async handlers go on in the event loop although their run has ended."""
        return self._loop_runs.abandoned

    def run(self, work: Claimed) -> Outcome:
        """Run a task to its end and return how it ended; never raises, and blocks as long as the task runs.

        ``work.timeout`` and ``work.memory_limit`` are the limits in effect; None means none.
        """
        try:
            way = self._ways.get(work.handler) or self._find_way(work.handler)
            if way.handler is None or self.needs_process(work):
                return self._run_in_process(work)
            return self._run_in_thread(work, way.handler)
        except BaseException as error:  # noqa: BLE001 - a thread of the daemon must survive every task
            return outcomes.of_error(error)

    def cancel(self, task_id: int, fence: int) -> None:
        """End a run because a person asked: by its own will first, after five seconds by force.

        In a thread only the handler's own will counts; in the event loop, what it awaits is cancelled at once and
        it is left to itself after five seconds. Never blocks.
        """
        key = (task_id, fence)
        # Remembered first, looked for after: a run that begins meanwhile is listed first and looks here after.
        with self._cancelling:
            self._cancels[key] = None
            while len(self._cancels) > _REMEMBERED_CANCELS:
                del self._cancels[next(iter(self._cancels))]
        call = self._calls.get(key)
        if call is not None:
            call.is_cancelled = True
        run = self._runs.get(key)
        if run is not None:
            self._watch.cancel(run)
        self._loop_runs.cancel(task_id, fence)

    def interrupt(self) -> None:
        """Kill all child processes and cancel what runs in the event loop; handlers in threads are told to end."""
        self._interrupted = True
        for call in list(self._calls.values()):
            call.is_interrupted = True
        self._loop_runs.interrupt()
        self._watch.interrupt()

    def stop(self) -> None:
        """Interrupt what still runs and end the fork server; no process is left afterwards."""
        self.interrupt()
        self._loop_runs.stop()
        self._watch.stop()

    def _find_way(self, name: str) -> _Way:
        ways = self._ways  # before the settings: what comes of the former ones must not be kept for the new
        kind = _isolation(registry.specification(name, self._settings))
        if kind == "process":
            way = _Way(kind)
        else:
            handler = registry.load(name, self._settings)
            if is_async(handler):
                kind = "async"
            elif kind == "async":
                raise RetryableError(f"the handler {name!r} has isolation 'async' and is no async def")
            way = _Way(kind, handler)
        ways[name] = way
        return way

    def _run_in_process(self, work: Claimed) -> Outcome:
        try:
            return self._process_runs.run(work, self._begin)
        finally:
            self._runs.pop((work.id, work.fence), None)

    def _begin(self, run: Run) -> bool:
        key = (run.work.id, run.work.fence)
        self._runs[key] = run
        return key not in self._cancels

    def _run_in_thread(self, work: Claimed, handler: Handler) -> Outcome:
        key = (work.id, work.fence)
        if self._interrupted:
            return interrupted()
        context = DirectContext(work, self._report)
        self._calls[key] = context
        if key in self._cancels:
            del self._calls[key]
            return cancelled()
        started = monotonic()
        try:
            task = handler_task(work)
            outcomes.check_in_time(work.begin_by)
            outcome = outcomes.of_value(completed(handler(task, context)), context.article)
        except BaseException as error:  # noqa: BLE001 - SystemExit and its like are failures as well
            outcome = outcomes.of_error(error)
        finally:
            del self._calls[key]
        context.end_log()
        if work.timeout is not None and monotonic() - started > work.timeout:
            _LOGGER.warning(
                "a handler in a thread ran longer than its time limit, which nothing enforces there",
                extra={"task_id": task_name(work.id), "attempt": work.attempt, "queue": work.queue},
            )
        if context.is_cancelled:
            return cancelled()
        return interrupted() if context.has_seen_the_end else outcome

    def _report(self, task_id: int, fence: int, fraction: float, note: str) -> None:
        try:
            self._on_progress(task_id, fence, fraction, visible(note, len(note)))
        except Exception:
            _LOGGER.exception("a report of progress could not be passed on")


def _isolation(specification: HandlerSettings) -> Isolation:
    """Return where a handler runs by its settings; a memory limit can be kept in a process only."""
    return "process" if specification.memory_limit is not None else specification.isolation
