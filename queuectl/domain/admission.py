"""Which queued tasks may start now: the one rule that dispatch and every explanation share.

It is a pure function of the queues' rules. Pauses and the order of queues are decided here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class QueueRules:
    """What a person has set for a queue."""

    name: str
    paused: bool = False


@dataclass(frozen=True, slots=True)
class Grant:
    """How many tasks of a queue may be taken now."""

    queue: str
    tasks: int


def admit(rules: Mapping[str, QueueRules], room: Mapping[str, int], waiting: Iterable[str]) -> list[Grant]:
    """Return what may be taken, the most urgent queue first.

    ``rules`` are in the order in which queues are served, ``room`` is how many tasks of each queue
    may be in hand in addition, and ``waiting`` names the queues that may hold queued tasks.
    """
    candidates = set(waiting)
    return [
        Grant(name, room[name])
        for name, rule in rules.items()
        if name in candidates and not rule.paused and room[name] > 0
    ]


def obstacle(rule: QueueRules) -> str | None:
    """Say why no task of this queue may start, or nothing if they may."""
    if rule.paused:
        return f"the queue {rule.name} is paused"
    return None
