"""What the processes of one run share: time, chance, the database, Redis, and what was seen and done."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from queuectl.domain.task import Claimed
from queuectl.operations.sources.reading import Reading
from queuectl.settings import HandlerSettings, Settings
from tests.simulation.lists import Lists
from tests.simulation.locks import Locks
from tests.simulation.store import SimulatedDatabase, shared_database
from tests.simulation.weather import Plan, Weather
from tests.simulation.world import World

if TYPE_CHECKING:
    from tests.simulation.node import Node

LEASE_SECONDS, SILENT_SECONDS = 30.0, 5.0
"""When the others may take a node for dead: at the end of its lease, or when its lock is free and it is silent."""


class Source:
    """What schedules read: a few addresses, other ones each time."""

    def __init__(self) -> None:
        self._count = 0

    def read(self, source: str, *, etag: str | None = None, last_modified: str | None = None) -> Reading:
        """Return a list of two addresses."""
        lines = []
        for _ in range(2):
            self._count += 1
            lines.append(f"http://source.test/{self._count}")
        return Reading(source, "list", "\n".join(lines).encode())


class Site:
    """One installation and the people around it. ``nodes`` are the daemons that live, by home.

    In an ``orderly`` one nobody meddles with the order of the tasks, so that it can be judged. In a ``duel`` nodes
    are away for long in the middle of long tasks, so that others take these over and both have them.
    """

    def __init__(self, plan: Plan, world: World) -> None:
        self.plan, self.world = plan, world
        self.weather = Weather(plan)
        chance = self.weather.stream("site")
        self.homes = chance.choice([1, 2, 2, 3])
        self.lists = Lists() if chance.random() < 0.5 else None
        self.max_retries = chance.choice([1, 3, 8])
        self.backoff = chance.choice([0.1, 0.5])
        self.clocks_move = chance.random() < 0.35
        aging = chance.choice([None, None, 0.5])
        kind = chance.random()
        self.orderly, self.duel = kind < 0.2, kind > 0.75
        if self.orderly:
            self.homes, self.lists, aging = 1, None, None
        if self.duel:
            self.homes = max(2, self.homes)
        self.shares_database = self.homes > 1
        self.settings = Settings(
            home=_home(),
            database_url="sqlite:///:memory:",
            workers=chance.choice([1, 2, 4]),
            task_timeout=8.0 if self.duel else 1.5,
            max_retries=self.max_retries,
            retry_backoff=self.backoff,
            retry_backoff_max=2.0,
            priority_aging=aging,
            redis_url=None if self.lists is None else "redis://simulated",
            handlers={
                "work": HandlerSettings(callable="simulated:work", isolation="process"),
                "loop": HandlerSettings(callable="simulated:loop", isolation="async"),
            },
        )
        self._bells = self.weather.stream("bells")
        self.shared = shared_database(world)
        self.locks = Locks()
        self.reader = Source()
        self.down = False
        self.nodes: dict[int, Node] = {}
        self.client: list[dict[str, Any]] = []
        self.witness: list[dict[str, Any]] = []
        self.deaths: list[dict[str, Any]] = []
        self.away: list[dict[str, Any]] = []
        self.slept_until = 0
        self.limits: list[dict[str, Any]] = []
        self._boots = 0
        self._skews: dict[int, int] = {}

    def database(self, share: float = 1.0) -> SimulatedDatabase:
        """Return a client's way to the database."""
        return SimulatedDatabase(self.shared, self.world, self.weather, share=share, down=lambda: self.down)

    def next_boot(self) -> int:
        """Return a number for another process."""
        self._boots += 1
        return self._boots

    def skew_of(self, home: int) -> int:
        """Return how far the wall clock of a home's machine is ahead, in milliseconds."""
        return self._skews.get(home, 0)

    def step_clock(self, home: int, milliseconds: int) -> None:
        """Put the wall clock of a machine to another time."""
        self._skews[home] = milliseconds
        node = self.nodes.get(home)
        if node is not None:
            self.world.skews[node.id] = milliseconds

    def clock_of(self, node: str) -> int:
        """Return the wall clock of a node, in UTC milliseconds."""
        return self.world.true_ms() + self.world.skews.get(node, 0)

    def saw(self, event: str, node: str, work: Claimed) -> None:
        """Witness the start or the end of a run."""
        self.world.tell(f"{event} of task_{work.id} under fence {work.fence} on {node}")
        self.witness.append(
            {
                "event": event,
                "task": work.id,
                "fence": work.fence,
                "attempt": work.attempt,
                "node": node,
                "at": self.world.now,
            }
        )

    def died(self, node: Node) -> None:
        """Take note of a node's end: its locks are free, its runs over."""
        self.deaths.append({"node": node.id, "at": self.world.now})
        self.locks.lose(node.id)
        if self.nodes.get(node.home) is node:
            del self.nodes[node.home]

    def silence_left(self, node: str) -> float:
        """Return for how many seconds more a node may be silent without being taken for dead.

        It counts from its last word, which a slow database may have let come long ago.
        """
        rows = self.shared.execute_sql("SELECT heartbeat_at FROM nodes WHERE id = ?", (node,)).fetchall()
        heard = max([0, *(at for (at,) in rows)])
        return max(0.0, SILENT_SECONDS - (self.world.true_ms() - heard) / 1000 - 0.002)

    def was_away(self, node: str, since: int, takeover_seconds: float) -> None:
        """Take note that a node was halted or cut off until now."""
        self.away.append(
            {
                "node": node,
                "from": since,
                "until": self.world.now,
                "takeover_ms": round(takeover_seconds * 1000),
            }
        )

    def wake(self) -> None:
        """Ring at one of the nodes, or at none: a bell is a hint."""
        ready = [node for node in self.nodes.values() if node.ready]
        if ready and self._bells.random() < 0.7:
            self._bells.choice(ready).hear()


@cache
def _home() -> Path:
    """Return a folder for what is read of a home, made once for a process."""
    folder = tempfile.TemporaryDirectory(prefix="simulated-")
    _kept.append(folder)
    return Path(folder.name)


_kept: list[tempfile.TemporaryDirectory[str]] = []
