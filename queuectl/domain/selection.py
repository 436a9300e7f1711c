"""Which tasks a command is about, in which order, and where a long list goes on."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from queuectl.domain.lifecycle import State
from queuectl.errors import InvalidInputError

DEFAULT_LIMIT = 50
"""So many tasks a listing has if nobody says how many."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Ids and filters on tasks, all of which must hold; an empty one matches every task.

    ``since`` and ``until`` bound the submission, in UTC milliseconds. ``url`` and ``error`` match anywhere
    in the text. ``after`` leaves out a task's number and all above it. Without a ``limit`` a listing
    ends after ``DEFAULT_LIMIT`` tasks, and everything else takes all that match.
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
    limit: int | None = None

    @property
    def matches_everything(self) -> bool:
        """Whether neither an id nor a filter narrows it."""
        return replace(self, limit=None) == Selection()

    @property
    def only_names(self) -> bool:
        """Whether it is ids and nothing else, so that whoever gave them knows how many tasks they are."""
        return bool(self.ids) and self == Selection(ids=self.ids)

    @property
    def looks_into_rows(self) -> bool:
        """Whether a filter asks for something that only the task's row tells."""
        return any(each is not None for each in (self.host, self.url, self.error, self.since, self.until))

    def narrowed(self, states: Iterable[State]) -> Selection:
        """Return the same among tasks in ``states``, unless it names ids or states itself."""
        return self if self.ids or self.states else replace(self, states=tuple(sorted(states)))


class Sort(StrEnum):
    """The orders in which tasks can be listed."""

    CREATED = "created"  # the newest first
    DUE = "due"  # open tasks, the one that is due first
    FINISHED = "finished"  # tasks that have ended, the latest first
    SCORE = "score"  # the order in which tasks start, the highest score first
    STATE = "state"  # by the course of a task's life, and the newest first within a state


_KEYS = {Sort.CREATED: 1, Sort.DUE: 2, Sort.FINISHED: 2, Sort.SCORE: 3, Sort.STATE: 2}
_CURSOR = re.compile(r"([a-z]+)((?::-?[0-9]{1,19}){1,3})")


@dataclass(frozen=True, slots=True)
class Cursor:
    """The place behind the last task of a page: the order and that task's keys in it."""

    sort: Sort
    keys: tuple[int, ...]

    def __str__(self) -> str:
        return ":".join([self.sort.value, *map(str, self.keys)])


def cursor_in(text: str, sort: Sort) -> Cursor:
    """Return the cursor that ``text`` stands for.

    Raises:
        InvalidInputError: it is none, or belongs to another order.
    """
    match = _CURSOR.fullmatch(text.strip())
    if match is None or match[1] not in set(Sort):
        raise InvalidInputError(
            f"{text!r} is not a place in a list", hint="give what the page before said, such as created:120"
        )
    cursor = Cursor(Sort(match[1]), tuple(int(key) for key in match[2][1:].split(":")))
    if cursor.sort is not sort:
        raise InvalidInputError(
            f"the place {text} belongs to a list sorted by {cursor.sort}", hint=f"add --sort {cursor.sort}"
        )
    if len(cursor.keys) != _KEYS[sort] or any(abs(key) >= 2**63 for key in cursor.keys):
        raise InvalidInputError(f"{text!r} is not a place in a list", hint="give what the page before said")
    return cursor
