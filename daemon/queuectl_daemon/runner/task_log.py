"""What tasks say, as lines of the daemon's log with the task, attempt and queue they belong to."""

from __future__ import annotations

import logging

from queuectl.domain.task import Claimed, task_name
from queuectl.domain.visible import visible
from queuectl.handlers.output import Output
from queuectl_daemon.runner.context import LOGGER, LONGEST_LINE

_MOST_LINES = 400


def log_line(work: Claimed, level: int, text: str, *, is_kept: bool = True) -> None:
    """Log one line that the task's handler wrote, so that nothing in it can act on a terminal."""
    if LOGGER.isEnabledFor(level):
        facts: dict[str, object] = {
            "task_id": task_name(work.id),
            "attempt": work.attempt,
            "queue": work.queue,
        }
        if is_kept:
            facts["run"] = (work.id, work.fence)  # by which it is kept for the task
        LOGGER.log(level, "%s", visible(text, LONGEST_LINE), extra=facts)


def log_output(work: Claimed, printed: Output) -> None:
    """Log what the task's process printed."""
    lines = printed.text().rstrip("\n").split("\n")
    if len(lines) > _MOST_LINES:
        half = _MOST_LINES // 2
        lines = [*lines[:half], f"[{len(lines) - 2 * half} lines left out]", *lines[-half:]]
    for line in lines:
        log_line(work, logging.INFO, line)
