"""Where a claimed task's handler runs, and what came of it: the only thing that the rest of the daemon sees."""

from __future__ import annotations

import logging
import shutil
import threading
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from queuectl.clock import monotonic
from queuectl.domain.outcome import Outcome
from queuectl.domain.task import Claimed, task_name
from queuectl.domain.visible import visible
from queuectl.handlers import registry
from queuectl.handlers.contract import Handler, HandlerTask
from queuectl.settings import Settings
from queuectl_daemon.runner import outcomes
from queuectl_daemon.runner.context import RunContext
from queuectl_daemon.runner.forkserver import ForkServer
from queuectl_daemon.runner.process_runs import ProcessRuns, cancelled, interrupted
from queuectl_daemon.runner.task_log import log_line
from queuectl_daemon.runner.watch import Run, Watch

_LOGGER = logging.getLogger(__name__)
_REMEMBERED_CANCELS = 1000

Key = tuple[int, int]
"""A run: the task's number and its fence."""


@dataclass(frozen=True, slots=True)
class _Way:
    """How tasks of one handler run: by calling ``handler`` in the thread, or, without one, in a child process."""

    handler: Handler | None


class Runner:
    """Runs claimed tasks, many at once, within their limits.

    A handler with ``isolation = "process"`` runs in a child process, and its limits are enforced whatever it does.
    One with ``isolation = "thread"`` is called in the calling thread: fast, but nothing can stop it by force; a time
    limit there only leads to a warning. A task with a memory limit, or one whose process died before, always runs in
    a child process.
    """

    def __init__(self, settings: Settings, *, on_progress: Callable[[int, int, float, str], None]) -> None:
        self._settings = settings
        self._on_progress = on_progress
        self._ways: dict[str, _Way] = {}
        self._calls: dict[Key, _ThreadContext] = {}
        self._runs: dict[Key, Run] = {}
        self._cancels: dict[Key, None] = {}
        self._cancelling = threading.Lock()
        self._interrupted = False
        self._watch = Watch(ForkServer(settings), settings.workers)
        self._process_runs = ProcessRuns(self._watch, settings.home, self._report)

    def start(self) -> None:
        """Start the fork server; to be called before the daemon has other threads."""
        # What commands of a killed daemon left there.
        shutil.rmtree(self._settings.home / "run" / "work", ignore_errors=True)
        self._watch.start()

    @property
    def healthy(self) -> bool:
        """Whether child processes can be made."""
        return self._watch.is_healthy

    def run(self, work: Claimed) -> Outcome:
        """Run a task to its end and return how it ended; never raises, and blocks as long as the task runs.

        ``work.timeout`` and ``work.memory_limit`` are the limits in effect; None means none.
        """
        try:
            way = self._ways.get(work.handler) or self._find_way(work.handler)
            # A run during which a daemon died may have been what killed it, and takes no other along from a child.
            if way.handler is None or work.memory_limit is not None or work.crashes:
                return self._run_in_process(work)
            return self._run_in_thread(work, way.handler)
        except BaseException as error:  # noqa: BLE001 - a thread of the daemon must survive every task
            return outcomes.of_error(error)

    def cancel(self, task_id: int, fence: int) -> None:
        """End a run because a person asked: by its own will first, after five seconds by force.

        In a thread only the handler's own will counts. Never blocks.
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

    def interrupt(self) -> None:
        """Kill all child processes now, whose runs end as interrupted; handlers in threads are told to end."""
        self._interrupted = True
        for call in list(self._calls.values()):
            call.is_interrupted = True
        self._watch.interrupt()

    def stop(self) -> None:
        """Interrupt what still runs and end the fork server; no process is left afterwards."""
        self.interrupt()
        self._watch.stop()

    def _find_way(self, name: str) -> _Way:
        specification = registry.specification(name, self._settings)
        in_thread = specification.isolation == "thread"
        way = _Way(registry.load(name, self._settings) if in_thread else None)
        self._ways[name] = way
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
        context = _ThreadContext(work, self._report)
        self._calls[key] = context
        if key in self._cancels:
            del self._calls[key]
            return cancelled()
        started = monotonic()
        try:
            task = HandlerTask(
                task_name(work.id),
                work.url,
                {} if work.metadata == "{}" else msgspec.json.decode(work.metadata),
                work.attempt,
                work.fence,
                work.queue,
                work.priority_score,
            )
            outcomes.check_in_time(work.begin_by)
            outcome = outcomes.of_value(handler(task, context), context.article)
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


class _ThreadContext(RunContext):
    """A run's context in the daemon's own thread."""

    __slots__ = ("_report", "_work", "has_seen_the_end", "is_cancelled", "is_interrupted")

    def __init__(self, work: Claimed, report: Callable[[int, int, float, str], None]) -> None:
        super().__init__()
        self._work = work
        self._report = report
        self.is_cancelled = False
        self.is_interrupted = False
        self.has_seen_the_end = False

    @property
    def cancelled(self) -> bool:
        """True once a person asked to cancel the task, or the daemon ends."""
        if self.is_interrupted:
            self.has_seen_the_end = True
            return True
        return self.is_cancelled

    def report(self, fraction: float, note: str) -> None:
        """Report progress directly."""
        self._report(self._work.id, self._work.fence, fraction, note)

    def write(self, level: int, text: str) -> None:
        """Log directly."""
        log_line(self._work, level, text)
