"""Which queued tasks may start now: the one rule that dispatch and every explanation share.

It is a pure function of the queues' rules. Pauses and the order of queues are decided here.
"""

from __future__ import annotations

from collections import Counter
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


def admit_in_order(
    rules: Mapping[str, QueueRules], room: Mapping[str, int], heads: Iterable[str]
) -> list[Grant]:
    """Return what may be taken when waiting counts as well as urgency, so that queues take turns.

    ``heads`` names the queue of each task that could start, in the order in which they should.
    """
    taken: Counter[str] = Counter()
    total = max(room.values(), default=0)
    for queue in heads:
        if taken.total() < total and not rules[queue].paused and taken[queue] < room[queue]:
            taken[queue] += 1
    return [Grant(queue, count) for queue, count in taken.items()]
