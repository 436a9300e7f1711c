"""What a seed stands for: an engine, the number of nodes, the load, and the faults with their moments."""

from __future__ import annotations

import random
from dataclasses import dataclass

from tests.faults.chaos.catalogue import FAULTS, Fault
from tests.support.daemon import POSTGRES, POSTGRES_REDIS, SQLITE, SQLITE_REDIS

_KINDS = (SQLITE, SQLITE, SQLITE_REDIS, POSTGRES, POSTGRES_REDIS, POSTGRES_REDIS)
_LATEST = 0.6  # seconds after the load has begun


@dataclass(frozen=True, slots=True)
class Blow:
    """A fault, and when in the run it begins, in seconds."""

    fault: Fault
    after: float


@dataclass(frozen=True, slots=True)
class Draw:
    """One run before it is made."""

    seed: int
    tasks: int
    kind: str
    nodes: int
    is_limited: bool
    blows: tuple[Blow, ...]

    def __str__(self) -> str:
        told = ", ".join(f"{each.fault.row} {each.fault.name}" for each in self.blows)
        return f"seed {self.seed}: {self.kind}, nodes {self.nodes}, tasks {self.tasks}; {told}"

    @property
    def command(self) -> str:
        """What makes the same draw again."""
        return f"make faults RUNS=1 SEED={self.seed} TASKS={self.tasks}"

    def chance(self, purpose: str) -> random.Random:
        """Return the choices for one purpose, which are the same in every run of this draw."""
        return random.Random(f"{self.seed} {purpose}")

    def has(self, *names: str) -> bool:
        """Tell whether one of these faults was drawn."""
        return any(each.fault.name in names for each in self.blows)

    @property
    def traits(self) -> frozenset[str]:
        """What the stage must offer for the faults: links, a small disk, clocks that can be moved."""
        return frozenset(each.fault.trait for each in self.blows if each.fault.trait)


def draw(seed: int, tasks: int) -> Draw:
    """Return the run that a seed stands for, on this machine."""
    chance = random.Random(seed)
    kind = chance.choice(_KINDS)
    nodes = chance.choice((1, 2)) if kind == POSTGRES_REDIS else 1
    usable = [fault for fault in FAULTS if fault.fits(kind, nodes)]
    chosen = chance.sample(usable, chance.choice((1, 1, 2, 2, 3)))
    traits: set[str] = set()
    blows = []
    for fault in chosen:
        if fault.trait and traits and fault.trait not in traits:
            continue  # one special stage at a time
        traits |= {fault.trait} - {""}
        blows.append(Blow(fault, round(chance.uniform(0.0, _LATEST), 3)))
    return Draw(seed, tasks, kind, nodes, chance.random() < 0.25, tuple(blows))
