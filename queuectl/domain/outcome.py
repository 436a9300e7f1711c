"""How a run of a task ended, as the runner reports it and the dead-letter middleware judges it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from queuectl.domain.article import Article


class Verdict(StrEnum):
    """The kinds of end a run can have; stored as the attempt's outcome."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"  # the handler raised; the task may run again
    REFUSED = "refused"  # the handler said that the task can never succeed
    CRASHED = "crashed"  # the process died without having sent its result
    TIMED_OUT = "timed_out"
    OVER_MEMORY = "over_memory"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"  # stopped by an orderly shutdown; not the task's fault


@dataclass(frozen=True, slots=True)
class Outcome:
    """One run's end. ``result`` is JSON text, ``retry_after`` seconds.

    With ``hold_host`` no task of the same host starts before ``retry_after`` has passed.
    """

    verdict: Verdict
    result: str | None = None
    error: str | None = None
    traceback: str | None = None
    retry_after: float | None = None
    article: Article | None = None
    hold_host: bool = False
