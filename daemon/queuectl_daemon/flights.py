"""The tasks this daemon has claimed, in memory: which wait for a worker, which run, which have ended, what they said.

Worker threads begin and finish flights while the pump adds and removes them. Every step is one
operation on a dict or deque, which the interpreter makes atomic, so no lock is needed.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from queuectl.clock import monotonic
from queuectl.domain.ending import Ending
from queuectl.domain.task import Claimed
from queuectl_daemon.task_logs import TaskLogs

_LARGEST_BYTES = 16 * 1024 * 1024
_REMEMBERED_DELAYS = 1_000


class Window(NamedTuple):
    """When a claimed task may begin, by the monotonic clock, and by when its handler must be called.

    ``counted_at`` is the moment under which its queue's rate limit has counted it, if it has one.
    """

    opens: float = 0.0
    closes: float = math.inf
    ends: float = math.inf
    counted_at: int | None = None


ANY_TIME = Window()


@dataclass(slots=True)
class Flight:
    """One claimed task; ``began`` is when its run started, by the monotonic clock."""

    work: Claimed
    window: Window = ANY_TIME
    began: float | None = None
    cancelled: bool = False
    ended: bool = False
    fraction: float | None = None
    note: str | None = None

    @property
    def is_late(self) -> bool:
        """Whether it may not begin any more."""
        return self.window is not ANY_TIME and monotonic() > self.window.closes


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
        self._has_windows = False
        self._delays: deque[float] = deque(maxlen=_REMEMBERED_DELAYS)
        self.logs = TaskLogs()
        self.grounded = False
        self.trusted_until = math.inf

    def add(self, works: Iterable[Claimed], windows: Mapping[Key, Window] | None = None) -> None:
        """Take in claimed tasks, some of which may begin within their window only; only the pump calls this."""
        self._has_windows |= bool(windows)
        for work in works:
            key = (work.id, work.fence)
            window = windows.get(key, ANY_TIME) if windows else ANY_TIME
            self._claimed[key] = self._unbegun[key] = Flight(work, window)
            self._waiting[work.queue] += 1

    def begin(self, task: int, fence: int) -> Flight | None:
        """Start the run of a claimed task, once; nothing for a stale message, or when no run may start.

        Whoever takes the flight out of the un-begun ones owns it: a worker that begins it, or the
        pump that gives it back. No run starts when the pump has not reached the database for so
        long that another node may soon take this one for dead. A flight that comes back without
        having begun is too late for its window: it is not to be run but given back.
        """
        if self.grounded or monotonic() > self.trusted_until:
            return None
        key = (task, fence)
        flight = self._unbegun.pop(key, None)
        if flight is None:
            return None
        now = monotonic()
        if now <= flight.window.closes:
            flight.began = now
            self._running[key] = flight
            if flight.window is not ANY_TIME:
                self._delays.append(now - flight.window.opens)
        self._begun.append(flight.work.queue)
        return flight

    def not_begun(self, flight: Flight) -> None:
        """Take note that a flight was too late for its window, or for its handler."""
        flight.began = None
        self._delays.append(monotonic() - flight.window.opens)

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

    def take_delays(self) -> list[float]:
        """Return how long after their windows opened the latest flights began, in seconds; only the pump calls this."""
        return [self._delays.popleft() for _ in range(len(self._delays))]

    def uncounted(self, endings: Iterable[Ending]) -> list[tuple[str, int]]:
        """Return queue and moment of each start that was counted and did not happen, of these ends."""
        if not self._has_windows:
            return []
        flights = [self.get(each.work.id, each.work.fence) for each in endings]
        return [
            (flight.work.queue, flight.window.counted_at)
            for flight in flights
            if flight is not None and flight.began is None and flight.window.counted_at is not None
        ]

    def drop_waiting(self, queues: Collection[str]) -> list[Claimed]:
        """Take away the tasks of these queues that have not begun."""
        return self._drop(lambda flight: flight.work.queue in queues)

    def drop_unwanted(self, queues: Collection[str], hosts: Collection[str]) -> list[Claimed]:
        """Take away what has not begun of these queues and hosts, and what may not begin any more."""
        if not queues and not hosts and not self._has_windows:
            return []
        return self._drop(
            lambda flight: flight.work.queue in queues or flight.work.host in hosts or flight.is_late
        )

    def _drop(self, unwanted: Callable[[Flight], bool]) -> list[Claimed]:
        """Take away such tasks; only the pump calls this."""
        dropped: list[Claimed] = []
        for key in list(self._unbegun):  # keys alone: making pairs may let another thread in between
            waiting = self._unbegun.get(key)
            flight = self._unbegun.pop(key, None) if waiting and unwanted(waiting) else None
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
