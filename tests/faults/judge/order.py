"""I7 and I8: urgent tasks first, and first come first served among equals, replayed from the table of events.

Both count, at each claim, the tasks that should have gone first and had waited for longer than the lag: a sorted
line of places with a Fenwick tree above it, so a claim costs O(log n).
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterator, Sequence

from tests.faults.judge.histories import Breach, Histories, Row


class _Line:
    """Counts of waiting tasks by their places in the order."""

    def __init__(self, places: int) -> None:
        self._sums = [0] * (places + 1)

    def add(self, place: int, change: int) -> None:
        """Put a task into the line, or take it out."""
        place += 1
        while place < len(self._sums):
            self._sums[place] += change
            place += place & -place

    def before(self, place: int) -> int:
        """Return how many wait before a place."""
        found = 0
        while place > 0:
            found += self._sums[place]
            place -= place & -place
        return found


def priority_bound(histories: Histories) -> Iterator[Breach]:
    """I7: when a task is taken, no more than the buffer of tasks with a better score have waited beyond the lag."""
    yield from _Replay(histories, by_score=True).breaches("I7")


def fifo_among_equals(histories: Histories) -> Iterator[Breach]:
    """I8: when a task is taken, no more than the buffer of tasks of its score and an earlier place have waited so."""
    yield from _Replay(histories, by_score=False).breaches("I8")


class _Replay:
    """What waited at each moment. ``facts.order`` has ``buffer``, ``lag_ms`` and ``without_queues``.

    A task has a place for each time that it came into its queue, since it may have another due time then.
    """

    def __init__(self, histories: Histories, *, by_score: bool) -> None:
        facts = histories.facts["order"]
        self._buffer, self._lag = facts["buffer"], facts["lag_ms"]
        left_out = set(facts.get("without_queues", ()))
        judged = {number for number, row in histories.tasks.items() if row["queue"] not in left_out}
        self._events = sorted(
            (row for row in histories.rows("events") if row["task"] in judged),
            key=lambda row: (row["at"], row["seq"]),
        )
        self._by_score = by_score
        self._places, self._firsts = _places([row for row in self._events if row["new"] == "queued"])
        self._line = _Line(len(self._places))
        self._waiting: dict[int, int] = {}  # the task's present entry, by the number of its event
        self._in_line: set[int] = set()
        self._ripening: deque[tuple[float, int, int]] = deque()

    def breaches(self, invariant: str) -> Iterator[Breach]:
        """Go through all changes; those of one moment count as one."""
        for at, group in itertools.groupby(self._events, key=lambda row: row["at"]):
            self._ripen(at)
            taken: list[tuple[Row, int | None]] = []
            for row in group:
                if row["old"] == "queued":
                    taken.append((row, self._leave(row["task"])))
                if row["new"] == "queued":
                    self._waiting[row["task"]] = row["seq"]
                    self._ripening.append((at, row["task"], row["seq"]))
            for row, entry in taken:
                passed = 0 if entry is None else self._passed(entry)
                if row["new"] in ("running", "dispatched") and passed > self._buffer:
                    says = f"was taken before {passed} tasks that should have gone first"
                    yield Breach(invariant, row["task"], says, (("events", row),))

    def _ripen(self, at: float) -> None:
        while self._ripening and self._ripening[0][0] <= at - self._lag:
            _, number, entry = self._ripening.popleft()
            if self._waiting.get(number) == entry:
                self._line.add(self._places[entry], 1)
                self._in_line.add(entry)

    def _leave(self, number: int) -> int | None:
        entry = self._waiting.pop(number, None)
        if entry in self._in_line:
            self._in_line.discard(entry)
            self._line.add(self._places[entry], -1)
        return entry

    def _passed(self, entry: int) -> int:
        better = self._line.before(self._firsts[entry])
        return better if self._by_score else self._line.before(self._places[entry]) - better


def _places(entries: Sequence[Row]) -> tuple[dict[int, int], dict[int, int]]:
    """Return the place of each entry in the whole order, and that of the first entry of its score."""
    ordered = sorted(entries, key=lambda row: (-row["score"], row["due_at"], row["task"], row["seq"]))
    places: dict[int, int] = {}
    firsts: dict[int, int] = {}
    score, first = None, 0
    for place, row in enumerate(ordered):
        if row["score"] != score:
            score, first = row["score"], place
        places[row["seq"]], firsts[row["seq"]] = place, first
    return places, firsts
