"""What a handler gets that runs in the daemon's own process, in a thread or in the event loop."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from queuectl.domain.task import Claimed, task_name
from queuectl.handlers.contract import HandlerTask
from queuectl_daemon.runner.context import RunContext
from queuectl_daemon.runner.task_log import log_line

Report = Callable[[int, int, float, str], None]
"""Takes the task's number, its fence, the fraction and the note."""


def handler_task(work: Claimed) -> HandlerTask:
    """Return the task as its handler sees it.

    Raises:
        msgspec.DecodeError: its metadata is no JSON any more.
    """
    return HandlerTask(
        task_name(work.id),
        work.url,
        {} if work.metadata == "{}" else msgspec.json.decode(work.metadata),
        work.attempt,
        work.fence,
        work.queue,
        work.priority_score,
    )


class DirectContext(RunContext):
    """A run's context in the daemon's own process."""

    __slots__ = ("_is_over", "_report", "_work", "has_seen_the_end", "is_cancelled", "is_interrupted")

    def __init__(self, work: Claimed, report: Report) -> None:
        super().__init__()
        self._work = work
        self._report = report
        self.is_cancelled = False
        self.is_interrupted = False
        self.has_seen_the_end = False
        self._is_over = False

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
        log_line(self._work, level, text, is_kept=not self._is_over)

    def end_log(self) -> None:
        """Keep nothing more for the task; what a handler that goes on says is in the daemon's log only."""
        super().end_log()
        self._is_over = True
