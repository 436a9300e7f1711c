"""What a task is, as it is submitted, read and handed to a handler."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from queuectl.domain.lifecycle import State
from queuectl.errors import BatchNotFoundError, TaskNotFoundError

_TASK_ID = re.compile(r"(?:task_)?([1-9][0-9]{0,17})")
_BATCH_ID = re.compile(r"(?:batch_)?([1-9][0-9]{0,17})")


@dataclass(slots=True)
class ArticleTask:
    """A task to be submitted; every field but ``url`` may stay at its default.

    ``timeout`` is in seconds and ``memory_limit`` in megabytes. ``publish_at`` is when it may
    start; without a zone it is read in the configured one.
    """

    url: str = ""
    priority: str | None = None
    priority_score: int | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    handler: str = "article"
    publish_at: datetime | None = None
    timeout: float | None = None
    memory_limit: int | None = None
    max_retries: int | None = None
    unique: bool = False


@dataclass(frozen=True, slots=True)
class Attempt:
    """One run of a task; times are UTC milliseconds."""

    attempt: int
    fence: int
    node: str | None
    started_at: int
    finished_at: int | None
    outcome: str
    error: str | None
    traceback: str | None


@dataclass(frozen=True, slots=True)
class Task:
    """A task as it is stored; times are UTC milliseconds, ``timeout`` seconds, ``memory_limit`` megabytes."""

    id: int
    url: str
    handler: str
    queue: str
    priority_score: int
    state: State
    fence: int
    attempt: int
    max_retries: int | None
    timeout: float | None
    memory_limit: int | None
    batch_id: int | None
    metadata: dict[str, Any]
    created_at: int
    run_at: int | None
    due_at: int
    started_at: int | None
    finished_at: int | None
    cancel_requested: bool
    error: str | None
    result: Any
    attempts: tuple[Attempt, ...] = ()


def task_name(number: int) -> str:
    """Return the id that people see for a task's number."""
    return f"task_{number}"


def batch_name(number: int) -> str:
    """Return the id that people see for a batch's number."""
    return f"batch_{number}"


def task_number(task_id: str | int) -> int:
    """Return the number in ``task_12``, ``"12"`` or ``12``.

    Raises:
        TaskNotFoundError: the text is not a task id, so no task has it.
    """
    match = _TASK_ID.fullmatch(str(task_id).strip())
    if match is None:
        raise TaskNotFoundError(
            f"{str(task_id)!r} is not a task id", hint="ids look like task_12; see: queuectl list"
        )
    return int(match[1])


def batch_number(batch_id: str | int) -> int:
    """Return the number in ``batch_3``, ``"3"`` or ``3``.

    Raises:
        BatchNotFoundError: the text is not a batch id, so no batch has it.
    """
    match = _BATCH_ID.fullmatch(str(batch_id).strip())
    if match is None:
        raise BatchNotFoundError(
            f"{str(batch_id)!r} is not a batch id", hint="ids look like batch_3; see: queuectl batches"
        )
    return int(match[1])


class Claimed(NamedTuple):
    """A task that this daemon has claimed and will run, as the pump read it.

    ``metadata`` is JSON text. ``released`` counts the runs that were not charged and ``crashes``
    those that ended with the death of their process. It could have started at ``due_at``. ``begin_by``
    is when its handler must have been called, by the monotonic clock; it is set by the daemon and not
    read from the database. One is made for every run, and a tuple is made several times as fast as anything else.
    """

    id: int
    fence: int
    attempt: int
    released: int
    crashes: int
    url: str
    handler: str
    queue: str
    priority_score: int
    metadata: str
    timeout: float | None
    memory_limit: int | None
    max_retries: int | None
    started_at: int
    host: str
    due_at: int
    begin_by: float | None = None
