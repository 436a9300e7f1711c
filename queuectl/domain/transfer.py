"""What an export or an import did, or would do: receipts, and the words for what goes along and what conflicts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal, TypeAlias

from queuectl.domain.lifecycle import State


class Part(StrEnum):
    """What can go along with tasks."""

    BATCHES = "batches"
    DEAD_LETTERS = "dead_letters"
    ATTEMPTS = "attempts"
    QUEUES = "queues"
    SCHEDULES = "schedules"


PARTS = tuple(Part)
USUAL_PARTS = (Part.BATCHES, Part.DEAD_LETTERS, Part.ATTEMPTS)
"""What belongs to the tasks themselves; the settings of queues and the schedules go along when asked for."""

OnConflict = Literal["skip", "new", "error"]
Step = Literal["reading", "storing"]
Progress: TypeAlias = Callable[[Step, int, int | None], None]
"""Told the step of an import, how far it is, and of how much: bytes while reading, tasks while storing."""


@dataclass(frozen=True, slots=True)
class ExportReceipt:
    """A finished export; ``path`` is None for a stream, ``counts`` has one number for each kind of record."""

    path: str | None
    counts: dict[str, int]
    sha256: str

    @property
    def tasks(self) -> int:
        """How many tasks were exported."""
        return self.counts["tasks"]


@dataclass(frozen=True, slots=True)
class QueueChange:
    """A setting of a queue that an import changes; both values as a person would write them."""

    queue: str
    key: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class IdRange:
    """Tasks that were numbered ``old_first`` to ``old_last`` in the file and are ``new_first`` to ``new_last`` now."""

    old_first: int
    old_last: int
    new_first: int
    new_last: int


@dataclass(frozen=True, slots=True)
class ImportReceipt:
    """What an import did, or in a dry run would do.

    ``new`` and ``conflicts`` count tasks by (queue, state); ``skipped`` are those of the conflicting ones
    that were left out. ``schedules`` are the names of the new ones. ``ids`` holds the first hundred ranges
    of ids, and ``created`` every range of new numbers, each with its first and last one, without those of
    anybody else in between.
    """

    dry_run: bool
    new: dict[tuple[str, State], int]
    conflicts: dict[tuple[str, State], int]
    skipped: int
    batches: int = 0
    attempts: int = 0
    dead_letters: int = 0
    schedules: tuple[str, ...] = ()
    schedules_skipped: int = 0
    queue_changes: tuple[QueueChange, ...] = ()
    ids: tuple[IdRange, ...] = ()
    created: tuple[tuple[int, int], ...] = ()

    @property
    def tasks(self) -> int:
        """How many tasks are new."""
        return sum(self.new.values())


@dataclass(slots=True)
class IdLog:
    """Collect the ranges of a receipt, task by task."""

    ids: list[IdRange] = field(default_factory=list)
    created: list[tuple[int, int]] = field(default_factory=list)

    _SHOWN = 100

    def add(self, old: int | None, new: int) -> None:
        """Note one new task; ``old`` is its number in the file, if it has one there."""
        if self.created and self.created[-1][1] + 1 == new:
            self.created[-1] = (self.created[-1][0], new)
        else:
            self.created.append((new, new))
        if old is None:
            return
        last = self.ids[-1] if self.ids else None
        if last is not None and (last.old_last + 1, last.new_last + 1) == (old, new):
            self.ids[-1] = IdRange(last.old_first, old, last.new_first, new)
        elif len(self.ids) < self._SHOWN:
            self.ids.append(IdRange(old, old, new, new))
