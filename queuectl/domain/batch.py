"""What goes into a bulk submission and what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

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
