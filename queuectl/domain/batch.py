"""What goes into a bulk submission and what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from queuectl.domain.dead_letter import FailureGroup
from queuectl.domain.task import ArticleTask

OnDuplicate = Literal["skip", "allow", "error"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a bulk submission: a task, or the problem that keeps it from being one."""

    line: int
    text: str
    task: ArticleTask | None = None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Rejected:
    """A line that was not accepted, and why."""

    line: int
    text: str
    reason: str


@dataclass(frozen=True, slots=True)
class BatchReceipt:
    """What became of a bulk submission; ``rejected`` holds the first hundred of the invalid lines."""

    batch_id: str | None
    accepted: int
    duplicates: int
    invalid: int
    rejected: tuple[Rejected, ...] = ()


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch as it is stored; times are UTC milliseconds."""

    id: int
    name: str | None
    created_at: int
    interval_minutes: float
    submitted: int


@dataclass(frozen=True, slots=True)
class BatchStatus:
    """How far a batch is; times are UTC milliseconds.

    ``started_at`` is when its first task first started, ``planned_until`` when its last one may start,
    ``next_due_at`` when the next one that waits for its time may. ``per_minute`` is how many of its tasks
    have ended a minute lately, ``expected_at`` an estimate of its end from both. ``failures`` are its dead
    letters by kind. What is not known is None.
    """

    id: int
    name: str | None
    created_at: int
    interval_minutes: float
    submitted: int
    running: int
    succeeded: int
    dead: int
    cancelled: int
    started_at: int | None
    finished_at: int | None
    planned_until: int | None
    next_due_at: int | None
    per_minute: float | None
    expected_at: int | None
    failures: tuple[FailureGroup, ...] = ()

    @property
    def ended(self) -> int:
        """How many tasks have ended."""
        return self.succeeded + self.dead + self.cancelled

    @property
    def open(self) -> int:
        """How many tasks have not ended."""
        return max(0, self.submitted - self.ended)

    @property
    def fraction(self) -> float:
        """The part that has ended, from 0 to 1."""
        return min(1.0, self.ended / self.submitted) if self.submitted else 1.0


def expected_end(
    open_tasks: int, planned_until: int | None, per_minute: float | None, now: int, *, spread: bool
) -> int | None:
    """Estimate when a batch's last open task will have ended; None if there is nothing to estimate it from.

    While tasks that are ``spread`` over time wait for theirs, the last one's time decides. Else the open
    tasks and the pace do, from when they may start. Times are UTC milliseconds.
    """
    if not open_tasks:
        return None
    start = now if planned_until is None else max(now, planned_until)
    if start > now and (spread or not per_minute):
        return start
    if not per_minute:
        return None
    return start + round(open_tasks / per_minute * 60_000)
