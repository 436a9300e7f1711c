"""The limit on the memory of one run: a watch on what its processes use, and a wall that no look comes too late for.

What counts is resident memory: the child's own, or what its descendants use together with what the child has grown,
whichever is more, so that a command is not charged for the interpreter that looks after it. A limit below what an
idle child has leaves room for 16 MB.

The wall is the kernel's limit on what the child may reserve. It moves along with every look: what was reserved and
never used is forgiven, and what can be filled until the next look is about what is left.
"""

from __future__ import annotations

import contextlib
import resource
import sys
from collections.abc import Callable

from queuectl_daemon.runner import family
from queuectl_daemon.runner.family import Kin

MEGABYTE = 1024 * 1024

_LEAST_ROOM = 16 * MEGABYTE
_TOLERANCE = 0.095  # of the limit, above which the wall stands
_FASTEST_GROWTH = 2048 * MEGABYTE  # bytes a second that a process can be expected to fill
_SHORTEST_PAUSE = 0.01
_LONGEST_PAUSE = 0.1
_COUNT_EVERY = 0.1  # seconds between two searches for new descendants
_FIRST_COUNTS = 1.0  # seconds in which they are looked for four times as often


def wall(limit: int, used: int, reserved: int) -> int:
    """Return how many bytes a process may have reserved, ``used`` and ``reserved`` being what it has now."""
    return reserved + max(limit - used, 0) + int(limit * _TOLERANCE)


def effective_limit(megabytes: int, idle: int) -> int:
    """Return the limit in bytes that is kept when the child has ``idle`` bytes to begin with."""
    return max(megabytes * MEGABYTE, idle + _LEAST_ROOM)


class MemoryWatch:
    """Compares what a run uses with its limit, given in megabytes."""

    def __init__(self, pid: int, limit: int, now: float) -> None:
        self.peak = 0
        self.next_look = now
        self._pid = pid
        self._idle, _ = family.memory(pid)
        self._limit = effective_limit(limit, self._idle)
        self._started_at = now
        self._descendants: list[int] = []
        self._counted_at = 0.0
        self._wall = 0

    def is_over(self, now: float, families: Callable[[], Kin]) -> bool:
        """Measure, and set when to measure next: before what is left could have been filled."""
        if now >= self._counted_at + self._count_every(now):
            self._descendants = family.descendants(self._pid, families())
            self._counted_at = now
        own, reserved = family.memory(self._pid)
        others = sum(family.memory(pid)[0] for pid in self._descendants)
        used = max(own, others + max(own - self._idle, 0))
        self.peak = max(self.peak, used)
        self._wall = wall(self._limit, used, reserved)
        left = (self._limit - used) / _FASTEST_GROWTH
        self.next_look = now + min(max(left, _SHORTEST_PAUSE), _LONGEST_PAUSE)
        return used > self._limit

    def move_wall(self) -> None:
        """Set the wall by the last measurement; to be called only while the run goes on."""
        if sys.platform == "linux":
            _, hard = resource.getrlimit(resource.RLIMIT_DATA)
            with contextlib.suppress(OSError, ValueError):  # it has ended, or its limit is lower already
                resource.prlimit(self._pid, resource.RLIMIT_DATA, (self._wall, hard))

    def _count_every(self, now: float) -> float:
        return _COUNT_EVERY / 4 if now < self._started_at + _FIRST_COUNTS else _COUNT_EVERY
