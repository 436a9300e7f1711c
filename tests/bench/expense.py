"""What tasks cost while a daemon runs: by the clock, and in time of the processors, which neighbours disturb less."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass

import psutil

from queuectl.domain.lifecycle import State
from queuectl.store import counters
from queuectl.store.database import Database
from tests.bench.daemon import Daemon
from tests.bench.others import family_seconds
from tests.bench.stage import SQLITE, Place, Stage

_PAUSE_SECONDS = 0.005


@dataclass(frozen=True, slots=True)
class Expense:
    """What some tasks cost: how many they were, and the seconds of the clock, of the daemon and of the server."""

    tasks: int
    elapsed: float
    daemon: float
    server: float

    def __add__(self, other: Expense) -> Expense:
        """Return both together."""
        return Expense(
            self.tasks + other.tasks,
            self.elapsed + other.elapsed,
            self.daemon + other.daemon,
            self.server + other.server,
        )

    def __sub__(self, other: Expense) -> Expense:
        """Return what has come since another, where both began at the same moment."""
        return self + Expense(-other.tasks, -other.elapsed, -other.daemon, -other.server)

    @property
    def rate(self) -> float:
        """Tasks in a second."""
        return self.tasks / self.elapsed

    @property
    def apiece(self) -> float:
        """Seconds from one task to the next."""
        return self.elapsed / self.tasks

    @property
    def daemon_micros(self) -> float:
        """Microseconds of the daemon's own process for each task."""
        return self.daemon / self.tasks * 1e6

    @property
    def server_micros(self) -> float:
        """Microseconds of all processes of the PostgreSQL server for each task."""
        return self.server / self.tasks * 1e6

    @property
    def processor_micros(self) -> float:
        """Microseconds of the daemon and of the server for each task."""
        return self.daemon_micros + self.server_micros


NOTHING = Expense(0, 0.0, 0.0, 0.0)


class Till:
    """Reads at two moments how many tasks have ended and what was used so far."""

    def __init__(self, stage: Stage, place: Place, daemon: Daemon) -> None:
        self._database = Database(place.settings.database_url)
        self._daemon = psutil.Process(daemon.pid)
        self._server = None if place.kind == SQLITE else stage.postgres.pid
        self._before = self._read()
        self._start = self._before.tasks

    def close(self) -> None:
        """Close the connection."""
        self._database.close()

    def begin(self) -> None:
        """Let what comes now count, and nothing before it."""
        self._before = self._read()

    def expense(self) -> Expense:
        """Return what has come since then."""
        return self._read() - self._before

    def wait_for(self, tasks: int, *, within: float) -> None:
        """Wait until so many tasks have ended since this was made.

        Raises:
            AssertionError: They have not in time.
        """
        deadline = time.monotonic() + within
        while (ended := self._ended() - self._start) < tasks:
            assert time.monotonic() < deadline, f"{ended} of {tasks} tasks have ended in {within:g} s"
            time.sleep(_PAUSE_SECONDS)

    def _read(self) -> Expense:
        used = self._daemon.cpu_times()
        server = 0.0 if self._server is None else family_seconds(self._server)
        return Expense(self._ended(), time.monotonic(), used.user + used.system, server)

    def _ended(self) -> int:
        with self._database.reading() as transaction:
            counts = counters.read(transaction)
        return sum(tasks for (_, state), tasks in counts.items() if state is State.SUCCEEDED)


@contextlib.contextmanager
def till(stage: Stage, place: Place) -> Iterator[Till]:
    """Give a till of a daemon that runs as long as it is used."""
    with Daemon(place) as daemon, contextlib.closing(Till(stage, place, daemon)) as made:
        yield made
