"""Which queued tasks may start now, and what keeps the others: the one rule that dispatch and every explanation share.

Pure functions of the queues' rules and of what is at work: dispatch, explanations, forecasts and
plans all ask here, so that none of them can promise what another would refuse. Times are UTC
milliseconds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from queuectl.domain.rate import RateLimit

_SHORTEST_GUARD_MS = 20
_LONGEST_GUARD_MS = 1_000


@dataclass(frozen=True, slots=True)
class QueueRules:
    """What a person has set for a queue; None means no limit, or for the budgets of a run the general setting.

    ``max_size`` bounds the tasks that wait, ``concurrency`` those at work on all nodes together.
    ``host_gap`` is the least time between two starts on one host and ``task_timeout`` the longest
    time of a run, both in seconds like ``retry_backoff``; ``memory_limit`` is in megabytes.
    """

    name: str
    paused: bool = False
    max_size: int | None = None
    rate_limit: RateLimit | None = None
    concurrency: int | None = None
    host_gap: float | None = None
    host_concurrency: int | None = None
    task_timeout: float | None = None
    memory_limit: int | None = None
    max_retries: int | None = None
    retry_backoff: float | None = None

    @property
    def limits_hosts(self) -> bool:
        """Whether tasks of one host can keep each other from starting."""
        return self.host_gap is not None or self.host_concurrency is not None

    @property
    def start_guard_ms(self) -> int | None:
        """How long after it was counted a start may happen; None where that makes no difference.

        The counts take the later end of this span, so that no window and no gap is cut short by the
        time between a claim and the first line of its handler.
        """
        spans = [] if self.rate_limit is None else [self.rate_limit.period_ms]
        if self.host_gap is not None:
            spans.append(round(self.host_gap * 1000))
        return min(max(min(spans) // 50, _SHORTEST_GUARD_MS), _LONGEST_GUARD_MS) if spans else None

    @property
    def limits_starts(self) -> bool:
        """Whether a start depends on more than the switch and on free workers."""
        return self.rate_limit is not None or self.concurrency is not None or self.limits_hosts


@dataclass(frozen=True, slots=True)
class QueueUse:
    """What a queue's limits have to be compared with, over all nodes.

    ``at_work`` counts running and dispatched tasks, ``started`` the starts within the rate limit's
    period; ``next_start_at`` is when the first of these leaves the period, if all are used up.
    """

    at_work: int = 0
    started: int = 0
    next_start_at: int | None = None


@dataclass(frozen=True, slots=True)
class HostUse:
    """What the host limits have to be compared with, over all queues and nodes.

    ``last_start_at`` is the latest moment at which the last start may have happened, ``held_until``
    the one before which the host asked not to be called again.
    """

    running: int = 0
    last_start_at: int | None = None
    held_until: int | None = None


class Reason(StrEnum):
    """What keeps a task that is due from starting."""

    PAUSED = "paused"
    RATE_LIMIT = "rate_limit"
    CONCURRENCY = "concurrency"
    HOST_HELD = "host_held"
    HOST_GAP = "host_gap"
    HOST_CONCURRENCY = "host_concurrency"


@dataclass(frozen=True, slots=True)
class Block:
    """What keeps tasks from starting, and the earliest moment at which it will not; None if nobody can know."""

    reason: Reason
    until: int | None = None


@dataclass(frozen=True, slots=True)
class Grant:
    """How many tasks of a queue may be taken now."""

    queue: str
    tasks: int


NO_USE = QueueUse()
NO_HOST_USE = HostUse()


def queue_room(rule: QueueRules, use: QueueUse) -> tuple[int | None, Block | None]:
    """Return how many more tasks of a queue its limits let start now (None: any number) and, if none, why."""
    if rule.paused:
        return 0, Block(Reason.PAUSED)
    room: int | None = None
    block: Block | None = None
    if rule.concurrency is not None:
        room = max(0, rule.concurrency - use.at_work)
        block = Block(Reason.CONCURRENCY) if not room else None
    if rule.rate_limit is not None:
        left = max(0, rule.rate_limit.starts - use.started)
        if not left:  # named before concurrency, because its end is known
            block = Block(Reason.RATE_LIMIT, use.next_start_at)
        room = left if room is None else min(room, left)
    return room, block


def host_block(rule: QueueRules, use: HostUse, now: int) -> Block | None:
    """Return what keeps a task of a queue from starting because of its host; None if nothing does."""
    if use.held_until is not None and use.held_until > now:
        return Block(Reason.HOST_HELD, use.held_until)
    if rule.host_gap is not None and use.last_start_at is not None:
        free_at = use.last_start_at + round(rule.host_gap * 1000)
        if free_at > now:
            return Block(Reason.HOST_GAP, free_at)
    if rule.host_concurrency is not None and use.running >= rule.host_concurrency:
        return Block(Reason.HOST_CONCURRENCY)
    return None


def admit(
    rules: Mapping[str, QueueRules],
    uses: Mapping[str, QueueUse],
    room: Mapping[str, int],
    waiting: Iterable[str],
) -> list[Grant]:
    """Return what may be taken, the most urgent queue first.

    ``rules`` are in the order in which queues are served, ``uses`` need only name the queues whose
    starts are limited, ``room`` is how many tasks of each queue may be in hand in addition, and
    ``waiting`` names the queues that may hold queued tasks.
    """
    candidates = set(waiting)
    grants = []
    for name, rule in rules.items():
        if name in candidates and (tasks := _admitted(rule, uses, room)) > 0:
            grants.append(Grant(name, tasks))
    return grants


def admit_in_order(
    rules: Mapping[str, QueueRules],
    uses: Mapping[str, QueueUse],
    room: Mapping[str, int],
    heads: Iterable[str],
) -> list[Grant]:
    """Return what may be taken when waiting counts as well as urgency, so that queues take turns.

    ``heads`` names the queue of each task that could start, in the order in which they should.
    """
    most = {name: _admitted(rule, uses, room) for name, rule in rules.items() if name in room}
    total = max(room.values(), default=0)
    taken: Counter[str] = Counter()
    for queue in heads:
        if taken.total() < total and taken[queue] < most[queue]:
            taken[queue] += 1
    return [Grant(queue, count) for queue, count in taken.items()]


def _admitted(rule: QueueRules, uses: Mapping[str, QueueUse], room: Mapping[str, int]) -> int:
    limit, _ = queue_room(rule, uses.get(rule.name, NO_USE))
    return room[rule.name] if limit is None else min(room[rule.name], limit)


def pick(
    rule: QueueRules,
    hosts: Mapping[str, HostUse],
    candidates: Sequence[tuple[int, str]],
    limit: int,
    now: int,
) -> tuple[list[int], dict[str, Block]]:
    """Choose up to ``limit`` of a queue's first tasks, given as (id, host), as far as their hosts allow.

    Returns the chosen ids in order, and what blocks each host that was passed over. A chosen task
    counts at once, so that two of one host never start together where a gap is to be kept.
    """
    chosen: list[int] = []
    blocked: dict[str, Block] = {}
    present = dict(hosts)
    for number, host in candidates:
        if len(chosen) >= limit:
            break
        if host in blocked:
            continue
        use = present.get(host, NO_HOST_USE)
        block = host_block(rule, use, now)
        if block is not None:
            blocked[host] = block
            continue
        chosen.append(number)
        present[host] = HostUse(use.running + 1, now, use.held_until)
    return chosen, blocked
