"""Runs in child processes: one conversation with a child, and the outcome that follows from how it ended."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import threading
from collections.abc import Callable
from pathlib import Path

from queuectl.clock import monotonic
from queuectl.domain.outcome import Outcome, Verdict
from queuectl.domain.task import Claimed, task_name
from queuectl.domain.visible import storable
from queuectl.handlers import command, registry
from queuectl.handlers.output import Output
from queuectl.shortage import is_shortage
from queuectl_daemon.runner import children, watch
from queuectl_daemon.runner.children import Child, ClosedError, NoChildError
from queuectl_daemon.runner.frames import GarbageError, Job, Line, Progress, Result
from queuectl_daemon.runner.outcomes import LARGEST_RESULT, cancelled, interrupted, timed_out
from queuectl_daemon.runner.task_log import log_line, log_output
from queuectl_daemon.runner.watch import Run, Watch

MOST_RUNS = 500
"""Runs after which a child is replaced, whatever its state."""

_STATUS_PATIENCE = 2.0  # seconds to wait for the exit status of a child that has hung up
_RETRY_PAUSE = 0.1
_MOST_LOSSES = 3  # children killed in the moment they were given the task, before it counts as a crash
_LAST_WORDS = 4000

ProgressReport = Callable[[int, int, float, str], None]
"""Takes the task's number, its fence, the fraction and the note."""


class ProcessRuns:
    """Runs tasks in child processes; ``run`` may be called from many threads at once."""

    def __init__(self, supervisor: Watch, home: Path, on_progress: ProgressReport) -> None:
        self._watch = supervisor
        self._home = home
        self._on_progress = on_progress

    def run(self, work: Claimed, begin: Callable[[Run], bool]) -> Outcome:
        """Run one task to its end.

        ``begin`` hears of the run as soon as it can be cancelled, and returns False if it is cancelled already.
        """
        give_up = monotonic() + children.START_LIMIT
        lost = 0
        while lost < _MOST_LOSSES:
            try:
                child = self._watch.children.acquire(warm=work.handler == registry.ARTICLE)
            except ClosedError:
                return interrupted()
            except NoChildError as error:
                if monotonic() < give_up:
                    # Such as when the fork server is just being replaced. The task has not begun.
                    threading.Event().wait(_RETRY_PAUSE)
                    continue
                return _not_started(error)
            run = self._watch.begin(work, child)
            try:
                if not begin(run):
                    self._watch.settle(run)
                    self._watch.children.release(child)
                    return cancelled()
                outcome = self._follow(run) if self._send(run) else self._give_back(run)
            except BaseException:
                self._give_back(run)
                raise
            if outcome is not None:
                return outcome
            lost += 1
        return Outcome(Verdict.CRASHED, error=f"{lost} processes ended before they could begin with it")

    def _send(self, run: Run) -> bool:
        """Hand the task over; False when the child is gone and the task has not begun."""
        work = run.work
        job = Job(
            work.id,
            work.fence,
            work.attempt,
            work.handler,
            work.url,
            work.queue,
            work.priority_score,
            work.metadata,
            work.memory_limit,
            work.begin_by,
        )
        try:
            run.child.channel.send(job)
        except OSError:
            return False
        return True

    def _give_back(self, run: Run) -> Outcome | None:
        """Part from a child that never took the task; None when another one can."""
        forced = self._watch.settle(run)
        self._watch.children.retire(run.child)
        return self._forced(run, forced) if forced is not None or run.is_cancelled else None

    def _follow(self, run: Run) -> Outcome | None:
        result: Result | None = None
        garbage: GarbageError | None = None
        try:
            result = self._converse(run)
        except GarbageError as error:
            garbage = error
        except OSError:
            pass  # the same as having hung up
        if result is None and run.child.channel.left_unread and not run.is_cancelled:
            return self._give_back(run)  # it was killed before it could begin
        forced = self._watch.settle(run)
        printed = run.child.output.take()
        if result is None and forced is None and garbage is None:
            run.child.has_ended.wait(_STATUS_PATIENCE)
        self._part(run, result, forced)
        if printed is not None:
            log_output(run.work, printed)
        if forced is not None or run.is_cancelled:
            return self._forced(run, forced)
        if garbage is not None:
            return Outcome(Verdict.CRASHED, error=f"its process {storable(str(garbage), 300)}")
        if result is None:
            return _crashed(run.child, printed)
        return _checked(result.outcome())

    def _converse(self, run: Run) -> Result | None:
        work = run.work
        while True:
            frame = run.child.channel.receive()
            if frame is None or isinstance(frame, Result):
                return frame
            if isinstance(frame, Progress):
                self._on_progress(work.id, work.fence, frame.fraction, frame.note)
            elif isinstance(frame, Line):
                log_line(work, frame.level, frame.text)
            else:
                raise GarbageError("said hello in the middle of a run")

    def _part(self, run: Run, result: Result | None, forced: Verdict | None) -> None:
        child = run.child
        child.runs += 1
        if result is not None and forced is None and result.flaw is None and child.runs < MOST_RUNS:
            self._watch.children.release(child)
            return
        self._watch.children.retire(child)
        if result is None:
            # The child would have removed it.
            folder = command.work_folder(self._home, task_name(run.work.id), run.work.fence)
            shutil.rmtree(folder, ignore_errors=True)

    def _forced(self, run: Run, forced: Verdict | None) -> Outcome:
        if run.is_cancelled:
            return cancelled()
        work = run.work
        match forced:
            case Verdict.TIMED_OUT:
                return timed_out(work.timeout)
            case Verdict.OVER_MEMORY:
                peak = run.memory.peak // 2**20 if run.memory is not None else 0
                error = f"used {peak} MB of memory, more than its limit of {work.memory_limit} MB"
            case Verdict.CRASHED:
                error = f"its process was halted for {watch.HALT_PATIENCE:g} s and did not go on"
            case _:
                return interrupted()
        return Outcome(forced, error=error)


def _not_started(error: NoChildError) -> Outcome:
    words = f"the task could not be started: {error}"
    cause = error.__cause__
    # EAGAIN is what the system says where no more processes may be made.
    if is_shortage(error) or (isinstance(cause, OSError) and cause.errno == errno.EAGAIN):
        return Outcome(Verdict.INTERRUPTED, error=words, began=False)
    return Outcome(Verdict.CRASHED, error=words)


def _crashed(child: Child, printed: Output | None) -> Outcome:
    words = storable(printed.ending()[-_LAST_WORDS:], _LAST_WORDS) if printed is not None else None
    return Outcome(Verdict.CRASHED, error=f"its process {_end_of(child.status)}", traceback=words)


def _end_of(status: int | None) -> str:
    if status is None:
        return "ended with the fork server, before it sent a result"
    code = os.waitstatus_to_exitcode(status)
    if code >= 0:
        return f"exited with status {code} before it sent a result"
    try:
        name = f" ({signal.Signals(-code).name})"
    except ValueError:
        name = ""
    return f"was killed by signal {-code}{name} before it sent a result"


def _checked(outcome: Outcome) -> Outcome:
    # The child has checked it; but what writes to its socket may not be the child's own code.
    if outcome.result is not None and len(outcome.result) > LARGEST_RESULT:
        return Outcome(Verdict.CRASHED, error="its process sent a result that is too large")
    return outcome
