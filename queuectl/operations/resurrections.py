"""Which task of an import came of which dead letter: known by the ids of the file until both have new ones."""

from __future__ import annotations

from collections.abc import Iterator, Set
from itertools import islice

from queuectl.store.transfer import StoredLetter

_GROUP = 2_000


class Resurrections:
    """Gather dead letters and what came of them, in any order; ``wanted`` are the file's ids of the latter."""

    def __init__(self, wanted: Set[int]) -> None:
        self._wanted = wanted
        self._tasks: dict[int, int] = {}
        self._letters: list[tuple[int, int, int]] = []

    def task(self, old: int | None, new: int) -> None:
        """Note the number of a task that was ``old`` in the file."""
        if old is not None and old in self._wanted:
            self._tasks[old] = new

    def letter(self, number: int, letter: StoredLetter) -> None:
        """Note the number of a dead letter."""
        if letter.resurrected_as is not None and letter.resurrected_at is not None:
            self._letters.append((number, letter.resurrected_as, letter.resurrected_at))

    def groups(self) -> Iterator[list[tuple[int, int, int]]]:
        """Yield groups of (dead letter, task, when it came of it); a letter whose task is not here is left out."""
        known = ((number, self._tasks[old], at) for number, old, at in self._letters if old in self._tasks)
        while group := list(islice(known, _GROUP)):
            yield group
