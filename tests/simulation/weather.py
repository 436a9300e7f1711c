"""Chance and faults under one seed: phases of quiet and of bursts, and a count by which faults can be left out.

Every use of chance has a stream of its own, so that leaving out faults of one kind changes no others' draws more than
it must; that is what lets a failing seed be shrunk.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass

KINDS = (
    "refused", "undone", "unheard", "slow", "conflict", "killed", "list_refused", "list_unheard", "list_slow",
    "doubled", "reordered", "crash", "hang", "lost_result", "late_start", "kill", "halt", "cut", "flush", "stop",
    "clock", "down", "suspend", "list_lost",
)  # fmt: skip
"""Every kind of fault: those of single calls first, then those that the nemesis plans."""


TASKS, ALL_FAULTS = 200, 10**9


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run is: its seed, its size, and what is left out of it when it is shrunk.

    Of the faults only those numbered below ``faults`` happen; kinds ``without`` do not at all.
    """

    seed: int
    tasks: int = TASKS
    faults: int = ALL_FAULTS
    without: frozenset[str] = frozenset()

    def command(self) -> str:
        """Return the command that replays it."""
        parts = [f"make simulate SEED={self.seed}"]
        if self.tasks != TASKS:
            parts.append(f"TASKS={self.tasks}")
        if self.faults != ALL_FAULTS:
            parts.append(f"FAULTS={self.faults}")
        if self.without:
            parts.append(f"WITHOUT={','.join(sorted(self.without))}")
        return " ".join(parts)


class Weather:
    """Says of each call whether and how it goes wrong."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.happened: Counter[str] = Counter()
        self.calm = False
        self._count = 0
        self._phases = self.stream("phases")
        self._until = 0.0
        self._rate = 0.0
        self._streams: dict[str, random.Random] = {}

    def stream(self, name: str) -> random.Random:
        """Return the chance of one purpose."""
        return random.Random(f"{self.plan.seed}/{name}")

    def strikes(self, now: float, *kinds: str, share: float = 1.0) -> str | None:
        """Return the kind of fault that strikes a call at this time, in seconds, if any does.

        ``share`` is how likely this call is hit, compared with one of the store.
        """
        if now >= self._until:
            burst = self._phases.random() < 0.4
            self._rate = self._phases.uniform(0.06, 0.3) if burst else self._phases.uniform(0.0, 0.01)
            self._until = now + self._phases.uniform(0.3, 4.0)
        if kinds[0] not in self._streams:
            self._streams[kinds[0]] = self.stream(f"calls {kinds[0]}")
        chance = self._streams[kinds[0]]
        if chance.random() >= self._rate * share:
            return None
        kind = chance.choice(kinds)
        return kind if self.allows(kind) else None

    def allows(self, kind: str) -> bool:
        """Tell whether a fault may happen now, and count it."""
        if self.calm or kind in self.plan.without:
            return False
        self._count += 1
        if self._count > self.plan.faults:
            return False
        self.happened[kind] += 1
        return True
