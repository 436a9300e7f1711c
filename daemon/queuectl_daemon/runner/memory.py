"""The watch on the memory of one run: its child process and everything below it."""

from __future__ import annotations

from collections.abc import Callable

from queuectl_daemon.runner import family
from queuectl_daemon.runner.family import Kin

_MEGABYTE = 1024 * 1024
_LEAST_ROOM = 16 * _MEGABYTE
_FASTEST_GROWTH = 2048 * _MEGABYTE  # bytes a second that a process can be expected to fill
_SHORTEST_PAUSE = 0.005
_LONGEST_PAUSE = 0.1
_FIRST_COUNTS = 1.0  # seconds in which new descendants are looked for four times as often
_COUNT_EVERY = 0.1


class MemoryWatch:
    """Compares what a run uses with its limit; ``limit`` in megabytes, all else in bytes and seconds.

    What counts is resident memory: the child's own, or what its descendants use together with what the child has
    grown, whichever is more, so that a command is not charged for the interpreter that looks after it. A limit below
    what an idle child has leaves room for 16 MB.
    """

    def __init__(self, pid: int, limit: int, now: float) -> None:
        self.peak = 0
        self.next_look = now
        self._pid = pid
        self._idle = family.resident(pid)
        self._limit = max(limit * _MEGABYTE, self._idle + _LEAST_ROOM)
        self._started_at = now
        self._descendants: list[int] = []
        self._counted_at = 0.0

    def is_over(self, now: float, families: Callable[[], Kin]) -> bool:
        """Measure, and set when to measure next: before what is left could have been filled."""
        if now >= self._counted_at + self._count_every(now):
            self._descendants = family.descendants(self._pid, families())
            self._counted_at = now
        own = family.resident(self._pid)
        others = sum(map(family.resident, self._descendants))
        used = max(own, others + max(own - self._idle, 0))
        self.peak = max(self.peak, used)
        left = (self._limit - used) / _FASTEST_GROWTH
        self.next_look = now + min(max(left, _SHORTEST_PAUSE), _LONGEST_PAUSE)
        return used > self._limit

    def _count_every(self, now: float) -> float:
        return _COUNT_EVERY / 4 if now < self._started_at + _FIRST_COUNTS else _COUNT_EVERY
