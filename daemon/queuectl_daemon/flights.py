"""The tasks this daemon has claimed, in memory: which wait for a worker, which run, which have ended.

Worker threads begin and finish flights while the pump adds and removes them. Every step is one
operation on a dict or deque, which the interpreter makes atomic, so no lock is needed.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from queuectl.clock import monotonic
from queuectl.domain.ending import Ending
from queuectl.domain.task import Claimed

_LARGEST_BYTES = 16 * 1024 * 1024


@dataclass(slots=True)
class Flight:
    """One claimed task; ``began`` is when its run started, by the monotonic clock."""

    work: Claimed
    began: float | None = None
    cancelled: bool = False
    ended: bool = False
    fraction: float | None = None
    note: str | None = None


Key = tuple[int, int]
"""A task's id and fence: the identity of one run."""


class Flights:
    """Every claimed task until its end is committed, by id and fence."""

    def __init__(self) -> None:
        self._claimed: dict[Key, Flight] = {}
        self._unbegun: dict[Key, Flight] = {}
        self._running: dict[Key, Flight] = {}
        self._ended: deque[tuple[Ending, float]] = deque()
        self._waiting: Counter[str] = Counter()
        self._begun: deque[str] = deque()
        self.grounded = False
        self.trusted_until = math.inf

    def add(self, works: Iterable[Claimed]) -> None:
        """Take in claimed tasks; only the pump calls this."""
        for work in works:
            key = (work.id, work.fence)
            self._claimed[key] = self._unbegun[key] = Flight(work)
            self._waiting[work.queue] += 1

    def begin(self, task: int, fence: int) -> Flight | None:
        """Start the run of a claimed task, once; nothing for a stale message, or when no run may start.

        Whoever takes the flight out of the un-begun ones owns it: a worker that begins it, or the
        pump that gives it back. No run starts when the pump has not reached the database for so
        long that another node may soon take this one for dead.
        """
        if self.grounded or monotonic() > self.trusted_until:
            return None
        key = (task, fence)
        flight = self._unbegun.pop(key, None)
        if flight is None:
            return None
        flight.began = monotonic()
        self._running[key] = flight
        self._begun.append(flight.work.queue)
        return flight

    def finish(self, ending: Ending) -> int:
        """Hand in the end of a run; return how many ends wait to be recorded."""
        key = (ending.work.id, ending.work.fence)
        known = self._claimed.get(key)
        if known is not None:
            known.ended = True
        flight = self._running.pop(key, None)
        seconds = monotonic() - flight.began if flight is not None and flight.began is not None else 0.0
        self._ended.append((ending, seconds))
        return len(self._ended)

    def take_ended(self, limit: int) -> tuple[list[Ending], float]:
        """Return ends that wait to be recorded, and the run time in them, in seconds.

        At most ``limit``, and only as many as one transaction should carry in bytes.
        """
        endings: list[Ending] = []
        total, size = 0.0, 0
        while self._ended and len(endings) < limit and size < _LARGEST_BYTES:
            ending, seconds = self._ended.popleft()
            endings.append(ending)
            total += seconds
            size += len(ending.result or "") + (len(ending.article.html) if ending.article else 0)
        return endings, total

    def put_back(self, endings: list[Ending]) -> None:
        """Return ends that could not be recorded to the head of the line."""
        self._ended.extendleft((ending, 0.0) for ending in reversed(endings))

    def replace_first(self, replacement: Callable[[Ending], Ending]) -> None:
        """Put another end in the place of the next one to be recorded."""
        if self._ended:
            ending, seconds = self._ended.popleft()
            self._ended.appendleft((replacement(ending), seconds))

    def remove(self, endings: Iterable[Ending]) -> None:
        """Forget tasks whose end is recorded."""
        for ending in endings:
            self._claimed.pop((ending.work.id, ending.work.fence), None)

    def drop_waiting(self, queues: Collection[str]) -> list[Claimed]:
        """Take away the tasks of these queues that have not begun; only the pump calls this."""
        dropped: list[Claimed] = []
        for key in list(self._unbegun):  # keys alone: making pairs may let another thread in between
            waiting = self._unbegun.get(key)
            flight = self._unbegun.pop(key, None) if waiting and waiting.work.queue in queues else None
            if flight is not None:
                self._begun.append(flight.work.queue)
                dropped.append(flight.work)
        return dropped

    def waiting(self) -> Counter[str]:
        """Return how many claimed tasks of each queue wait for a worker; only the pump calls this."""
        while self._begun:
            self._waiting[self._begun.popleft()] -= 1
        return self._waiting

    def running(self) -> list[Flight]:
        """Return the flights whose runs are under way."""
        return list(self._running.values())

    def at_work(self) -> list[Claimed]:
        """Return the claimed tasks whose runs have not ended, begun or not."""
        return [flight.work for flight in list(self._claimed.values()) if not flight.ended]

    def running_count(self) -> int:
        """Return how many runs are under way."""
        return len(self._running)

    def get(self, task: int, fence: int) -> Flight | None:
        """Return a claimed task's flight."""
        return self._claimed.get((task, fence))

    def keys(self) -> set[Key]:
        """Return the keys of every claimed task."""
        return set(self._claimed)

    @property
    def unbegun(self) -> int:
        """How many claimed tasks wait for a worker."""
        return len(self._unbegun)

    @property
    def unrecorded(self) -> int:
        """How many ends wait to be recorded."""
        return len(self._ended)
