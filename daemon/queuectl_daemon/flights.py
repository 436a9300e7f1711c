"""The tasks this daemon has claimed, in memory: which wait for a worker, which run, which have ended.

Worker threads begin and finish flights while the pump adds and removes them. Every step is one
operation on a dict or deque, which the interpreter makes atomic, so no lock is needed.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from queuectl.clock import monotonic
from queuectl.domain.ending import Ending
from queuectl.domain.task import Claimed


@dataclass(slots=True)
class Flight:
    """One claimed task; ``began`` is when its run started, by the monotonic clock."""

    work: Claimed
    began: float | None = None
    cancelled: bool = False
    fraction: float | None = None
    note: str | None = None


class Flights:
    """Every claimed task until its end is committed, by id."""

    def __init__(self) -> None:
        self._by_id: dict[int, Flight] = {}
        self._unbegun: dict[int, Flight] = {}
        self._running: dict[int, Flight] = {}
        self._ended: deque[tuple[Ending, float]] = deque()
        self._waiting: Counter[str] = Counter()
        self._begun: deque[str] = deque()
        self.grounded = False

    def add(self, works: Iterable[Claimed]) -> None:
        """Take in claimed tasks; only the pump calls this."""
        for work in works:
            flight = Flight(work)
            self._by_id[work.id] = self._unbegun[work.id] = flight
            self._waiting[work.queue] += 1

    def begin(self, task: int, fence: int) -> Flight | None:
        """Start the run of a claimed task, once; nothing for a stale message, or when no run may start.

        Whoever takes the flight out of the un-begun ones owns it: a worker that begins it, or the
        pump that gives it back.
        """
        waiting = self._unbegun.get(task)
        if waiting is None or waiting.work.fence != fence or self.grounded:
            return None
        flight = self._unbegun.pop(task, None)
        if flight is None:
            return None
        flight.began = monotonic()
        self._running[task] = flight
        self._begun.append(flight.work.queue)
        return flight

    def finish(self, ending: Ending) -> int:
        """Hand in the end of a run; return how many ends wait to be recorded."""
        flight = self._running.pop(ending.work.id, None)
        seconds = monotonic() - flight.began if flight is not None and flight.began is not None else 0.0
        self._ended.append((ending, seconds))
        return len(self._ended)

    def take_ended(self, limit: int) -> tuple[list[Ending], float]:
        """Return up to ``limit`` ends that wait to be recorded, and the run time in them, in seconds."""
        endings: list[Ending] = []
        total = 0.0
        while self._ended and len(endings) < limit:
            ending, seconds = self._ended.popleft()
            endings.append(ending)
            total += seconds
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
            flight = self._by_id.get(ending.work.id)
            if flight is not None and flight.work.fence == ending.work.fence:
                del self._by_id[ending.work.id]

    def drop_waiting(self) -> list[Claimed]:
        """Take away the tasks that have not begun; only the pump calls this."""
        dropped: list[Claimed] = []
        for task in list(self._unbegun):
            flight = self._unbegun.pop(task, None)
            if flight is not None:
                del self._by_id[task]
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

    def running_count(self) -> int:
        """Return how many runs are under way."""
        return len(self._running)

    def get(self, task: int, fence: int) -> Flight | None:
        """Return a claimed task's flight."""
        flight = self._by_id.get(task)
        return flight if flight is not None and flight.work.fence == fence else None

    def ids(self) -> set[tuple[int, int]]:
        """Return (id, fence) of every claimed task."""
        return {(flight.work.id, flight.work.fence) for flight in list(self._by_id.values())}

    @property
    def unbegun(self) -> int:
        """How many claimed tasks wait for a worker."""
        return len(self._unbegun)

    @property
    def unrecorded(self) -> int:
        """How many ends wait to be recorded."""
        return len(self._ended)
