"""Where a start may stand among others: the arithmetic below the window planner.

Every limit that counts starts in a sliding period is a ``Line``: it knows the moments at which one
more start would be too many. A ``Board`` asks all lines and the hosts' gaps at once. Times are UTC
milliseconds; new ones stand on whole steps of the grid.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import sub
from typing import Protocol


class Start(Protocol):
    """What a board has to know of a task."""

    @property
    def queue(self) -> str:
        """The task's queue."""

    @property
    def host(self) -> str:
        """The host of its URL."""


@dataclass(frozen=True, slots=True)
class Limit:
    """At most ``starts`` in every sliding ``period`` (milliseconds), of one queue or of all; named for people."""

    name: str
    starts: int
    period: int
    queue: str | None = None


class Line:
    """The starts that one limit counts, and the moments that they forbid.

    A group of ``most`` starts in a row that span less than the period forbids every moment that
    would be within one period with all of them: an open interval. These are kept merged.
    """

    def __init__(self, most: int, period: int, present: Iterable[int] = ()) -> None:
        self._most = most
        self._period = period
        self._at = sorted(present)
        self._left: list[int] = []
        self._right: list[int] = []
        for first, last in zip(self._at, self._at[most - 1 :], strict=False):
            if last - first < period:
                self._forbid(last - period, first + period)

    def add(self, at: int) -> None:
        """Count one more start."""
        insort(self._at, at)
        place = bisect_left(self._at, at)
        low = max(bisect_right(self._at, at - self._period), place - self._most + 1)
        high = min(bisect_left(self._at, at + self._period), place + self._most)
        if high - low < self._most:
            return
        # The groups that hold the new start; each one's interval contains it, so they make one interval.
        firsts, lasts = self._at[low : high - self._most + 1], self._at[low + self._most - 1 : high]
        if min(map(sub, lasts, firsts)) >= self._period:
            return
        full = [
            (first, last) for first, last in zip(firsts, lasts, strict=True) if last - first < self._period
        ]
        self._forbid(full[0][1] - self._period, full[-1][0] + self._period)

    def after(self, at: int) -> int:
        """Return the first allowed moment at or after ``at``."""
        place = bisect_right(self._right, at)
        return self._right[place] if place < len(self._left) and self._left[place] < at else at

    def before(self, at: int) -> int:
        """Return the last allowed moment at or before ``at``."""
        place = bisect_right(self._right, at)
        return self._left[place] if place < len(self._left) and self._left[place] < at else at

    def _forbid(self, left: int, right: int) -> None:
        first = bisect_right(self._right, left)
        last = bisect_left(self._left, right)
        if first < last:
            left = min(left, self._left[first])
            right = max(right, self._right[last - 1])
        self._left[first:last] = [left]
        self._right[first:last] = [right]


class HostLine:
    """The starts on one host, each with the gap that its own queue asks for before it."""

    def __init__(self, not_before: int = 0) -> None:
        self._not_before = not_before
        self._at: list[int] = []
        self._asking: list[tuple[int, int]] = []  # those that ask for a gap before them, with it
        self._widest = 0

    def add(self, at: int, gap: int) -> None:
        """Count one more start."""
        insort(self._at, at)
        if gap:
            insort(self._asking, (at, gap))
            self._widest = max(self._widest, gap)

    def after(self, at: int, gap: int) -> int:
        """Return the first moment at or after ``at`` that keeps all gaps."""
        at = max(at, self._not_before)
        while (blocking := self._blocking(at, gap)) is not None:
            at = max(at + 1, blocking + gap)
        return at

    def before(self, at: int, gap: int) -> int:
        """Return the last moment at or before ``at`` that keeps all gaps; below ``not_before`` there is none."""
        while (blocking := self._blocking(at, gap)) is not None:
            at = min(at - 1, blocking - self._gap_of(blocking))
        return at

    def _blocking(self, at: int, gap: int) -> int | None:
        """Return a start that is too near to ``at``; two at one moment are, unless neither asks for a gap."""
        place = bisect_right(self._at, at)
        if place and at - self._at[place - 1] < gap:
            return self._at[place - 1]
        place = bisect_left(self._asking, (at, 0))
        while place < len(self._asking):
            start, its_gap = self._asking[place]
            if start - at < its_gap:
                return start
            if start - at >= self._widest:
                return None
            place += 1
        return None

    def _gap_of(self, start: int) -> int:
        place, widest = bisect_left(self._asking, (start, 0)), 0
        while place < len(self._asking) and self._asking[place][0] == start:
            widest = max(widest, self._asking[place][1])
            place += 1
        return widest


class Board:
    """All limits together, with what is planned already."""

    def __init__(
        self,
        limits: Sequence[Limit],
        gaps: Mapping[str, int],
        held: Mapping[str, int],
        present: Sequence[tuple[Start, int]],
        *,
        step: int,
        apart: int = 0,
    ) -> None:
        self._step = step
        self._gaps = gaps
        self._held = held
        self._lines = [
            (limit.queue, Line(limit.starts, limit.period, _counted(limit, present))) for limit in limits
        ]
        self._chosen = Line(1, apart) if apart else None
        self._hosts: dict[str, HostLine] = {}
        for start, at in present:
            self._add_to_host(start, at)

    def put(self, start: Start, at: int) -> None:
        """Plan a start; those that are put keep ``apart`` from each other, which those present need not."""
        for queue, line in self._lines:
            if queue is None or queue == start.queue:
                line.add(at)
        if self._chosen is not None:
            self._chosen.add(at)
        self._add_to_host(start, at)

    def fits(self, start: Start, at: int) -> bool:
        """Tell whether a start may stand exactly there."""
        return self._pushed_on(start, at) == at

    def earliest(self, start: Start, at: int) -> int:
        """Return the first moment of the grid at or after ``at`` where a start may stand."""
        while True:
            at = -(-at // self._step) * self._step
            later = self._pushed_on(start, at)
            if later == at:
                return at
            at = later

    def latest(self, start: Start, at: int) -> int:
        """Return the last moment of the grid at or before ``at`` where a start may stand, hosts' holds aside."""
        while True:
            at = at // self._step * self._step
            earlier = self._pushed_back(start, at)
            if earlier == at:
                return at
            at = earlier

    @property
    def knows_hosts(self) -> bool:
        """Whether it matters on which host a task is."""
        return bool(self._gaps or self._held)

    def earliest_anywhere(self, start: Start, at: int) -> int:
        """Return the same for a task of that queue on a host that nothing keeps."""
        while True:
            at = -(-at // self._step) * self._step
            later = self._pushed_by_lines(start, at)
            if later == at:
                return at
            at = later

    def gap(self, start: Start) -> int:
        """Return the gap before a start on its host, in milliseconds."""
        return self._gaps.get(start.queue, 0)

    def _pushed_by_lines(self, start: Start, at: int) -> int:
        for queue, line in self._lines:
            if queue is None or queue == start.queue:
                at = line.after(at)
        return at if self._chosen is None else self._chosen.after(at)

    def _pushed_on(self, start: Start, at: int) -> int:
        at = self._pushed_by_lines(start, at)
        host = self._host(start)
        return at if host is None else host.after(at, self.gap(start))

    def _pushed_back(self, start: Start, at: int) -> int:
        for queue, line in self._lines:
            if queue is None or queue == start.queue:
                at = line.before(at)
        if self._chosen is not None:
            at = self._chosen.before(at)
        host = self._host(start)
        return at if host is None else host.before(at, self.gap(start))

    def _host(self, start: Start) -> HostLine | None:
        if not self.knows_hosts:
            return None
        found = self._hosts.get(start.host)
        if found is None:
            found = self._hosts[start.host] = HostLine(self._held.get(start.host, 0))
        return found

    def _add_to_host(self, start: Start, at: int) -> None:
        host = self._host(start)
        if host is not None:
            host.add(at, self.gap(start))


def _counted(limit: Limit, present: Iterable[tuple[Start, int]]) -> list[int]:
    return [at for start, at in present if limit.queue is None or limit.queue == start.queue]
