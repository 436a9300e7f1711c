"""What this daemon has done since it began, gathered at next to no cost for those who do it.

Counts come from what each of its transactions did to tasks; a tick and a fired schedule add a few numbers. Nothing
here is shared with other daemons or outlives the process.
"""

from __future__ import annotations

import bisect
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from queuectl.domain.observed import Observed, Seen
from queuectl.domain.priority import QUEUES
from queuectl_daemon.capacity import Capacity
from queuectl_daemon.flights import Flights
from queuectl_daemon.node_report import transport_name
from queuectl_daemon.transport import RedisTransport

TICK_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)
BATCH_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
LAG_SECONDS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600)

_MOST_NEW = 100


class Tally:
    """How many values were at most each of some bounds, and their sum."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def note(self, value: float) -> None:
        """Count one value."""
        self.counts[bisect.bisect_left(self.bounds, value)] += 1
        self.total += value

    def cumulative(self) -> list[tuple[str, float]]:
        """Return for each bound, and for all, how many values were no greater."""
        seen, found = 0, []
        for bound, count in zip((*map(str, self.bounds), "+Inf"), self.counts, strict=True):
            seen += count
            found.append((bound, float(seen)))
        return found


@dataclass(frozen=True, slots=True)
class Node:
    """What a daemon says of itself; ``window`` is how many tasks it may hold, at work or claimed ahead."""

    workers: int
    busy: int
    window: int
    transport: str
    transport_up: bool


class Measures:
    """The counts and distributions of one daemon process; ``transport`` carries its messages, if it has one."""

    def __init__(self, flights: Flights, capacity: Capacity) -> None:
        self.transport: RedisTransport | None = None
        self._flights = flights
        self._capacity = capacity
        self.ticks = Tally(TICK_SECONDS)
        self.recorded = Tally(BATCH_SIZES)
        self.claimed = Tally(BATCH_SIZES)
        self.lags = Tally(LAG_SECONDS)
        self._queues = {queue: Seen() for queue in QUEUES}
        self._new: deque[Observed] = deque()
        self._lock = threading.Lock()

    def take(self, observed: Observed) -> None:
        """Take in what a transaction of this process has done to tasks, once it is committed."""
        observed.failures = {}  # long, and nobody here asks for them
        self._new.append(observed)
        if len(self._new) > _MOST_NEW:  # nobody has asked for long
            with self._lock:
                self._gather()

    def note_tick(self, seconds: float, recorded: int, claimed: int) -> None:
        """Take in a tick that did something: how long it took, and how many ends it recorded and tasks it claimed."""
        if recorded or claimed:
            self.ticks.note(seconds)
            if recorded:
                self.recorded.note(recorded)
            if claimed:
                self.claimed.note(claimed)

    def note_lag(self, ms: int) -> None:
        """Take in by how many milliseconds a schedule was fired late."""
        self.lags.note(max(0, ms) / 1000)

    def node(self) -> Node:
        """Return what the daemon says of itself at this moment."""
        transport, workers = self.transport, self._capacity.workers
        ahead = self._capacity.pace.claims_ahead(listed=transport is not None)
        up = transport is None or transport.up
        return Node(workers, self._flights.running_count(), workers + ahead, transport_name(transport), up)

    def queues(self) -> dict[str, Seen]:
        """Return what was done to the tasks of each queue so far; nobody else changes it."""
        found = {queue: Seen() for queue in QUEUES}
        with self._lock:
            self._gather()
            for queue, seen in self._queues.items():
                found[queue].merge(seen)
        return found

    def _gather(self) -> None:
        while self._new:
            self._new.popleft().add_to_queues(self._queues)
