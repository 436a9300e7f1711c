"""Which tasks a command is about: ids and filters, all of which must hold."""

from __future__ import annotations

from dataclasses import dataclass

from queuectl.domain.lifecycle import State


@dataclass(frozen=True, slots=True)
class Selection:
    """Filters on tasks; an empty one matches every task.

    ``since`` and ``until`` bound the submission, in UTC milliseconds. ``url`` and ``error`` match anywhere
    in the text. ``after`` continues a listing behind a task's number.
    """

    ids: tuple[int, ...] = ()
    states: tuple[State, ...] = ()
    queues: tuple[str, ...] = ()
    batch: int | None = None
    host: str | None = None
    url: str | None = None
    error: str | None = None
    since: int | None = None
    until: int | None = None
    after: int | None = None
    limit: int = 50
