"""When the queues would be done as they are, and what a change would make of it; nothing is changed by asking.

A what-if is a copy of the present situation with other workers, limits or tasks, which goes through
the same simulation. The forecast knows nothing of what will be submitted later.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from queuectl.domain.admission import HostUse
from queuectl.domain.forecast import Forecast, Situation, Waiting
from queuectl.domain.lifecycle import State
from queuectl.domain.priority import Level, level_named, queue_named, rank_by_point
from queuectl.domain.rate import parse_rate
from queuectl.domain.run_times import RunTimes
from queuectl.domain.simulation import simulate
from queuectl.errors import InvalidInputError
from queuectl.handlers import registry
from queuectl.settings import Settings
from queuectl.store import counters, hosts, nodes, ordering, planning, queues, starts
from queuectl.store.database import Database, Transaction

MOST_FOLLOWED = 100_000
"""With more waiting tasks than these one stands for several."""

_ASSUMED_MS = 1_000
"""How long a run is assumed to take where none has been recorded."""

_SHOWN = 10
_WORTH_MS = 1_000
"""A start that is later by less than this is no delay worth a word."""

_MOST_ADDED = 1_000_000
_LONGEST_MS = 7 * 86_400_000
_MOST_WORKERS = 100_000


@dataclass(frozen=True, slots=True)
class WhatIf:
    """The changes to look at; None and empty mean as it is. Other ``workers`` leave the caps of kinds as they are.

    ``rate_limits`` and ``concurrency`` are by queue, None in them removes a limit. ``add`` tasks of
    ``priority`` are thought to be submitted now; they take ``duration_ms`` each, or as long as
    tasks of their queue do.
    """

    workers: int | None = None
    rate_limits: Mapping[str, str | None] = field(default_factory=dict)
    concurrency: Mapping[str, int | None] = field(default_factory=dict)
    add: int = 0
    priority: str = "medium"
    duration_ms: int | None = None

    @property
    def changes_nothing(self) -> bool:
        """Whether there is nothing to compare the present with."""
        return self == WhatIf(priority=self.priority, duration_ms=self.duration_ms)


@dataclass(frozen=True, slots=True)
class Delay:
    """A task that starts long after it is due, or with a change later than without; times are UTC milliseconds."""

    task: int
    queue: str
    due_at: int
    starts_at: int | None
    starts_then: int | None = None

    @property
    def later_ms(self) -> int | None:
        """By how much the change makes it later; None if one of the starts is unknown."""
        if self.starts_at is None or self.starts_then is None:
            return None
        return self.starts_then - self.starts_at

    def is_worth_a_word(self, *, compared: bool) -> bool:
        """Whether it waits for a second or more, or for ever; compared, whether the change makes it wait so."""
        if compared:
            return self.starts_at is not None and (
                self.starts_then is None or self.starts_then - self.starts_at >= _WORTH_MS
            )
        return self.starts_at is None or self.starts_at - self.due_at >= _WORTH_MS


@dataclass(frozen=True, slots=True)
class Simulation:
    """The forecast as things are, and with the change, if there is one.

    ``delayed`` are the ten tasks that wait longest, or with a change those that it delays most, by a
    second at least; ``delayed_count`` counts them all, ``hastened_count`` those that it brings
    forward. ``recorded`` runs were learnt from; one followed task stands for ``weight``.
    """

    at: int
    present: Forecast
    changed: Forecast | None
    delayed: tuple[Delay, ...]
    delayed_count: int
    hastened_count: int
    workers: int
    workers_then: int
    added: int
    daemon_runs: bool
    recorded: int
    weight: int


def forecast(database: Database, settings: Settings, what_if: WhatIf | None = None) -> Simulation:
    """Return when everything would be done, as it is and with a change.

    Raises:
        InvalidInputError: a change is none.
        QueueNotFoundError: a limit is for a queue that does not exist.
    """
    wanted = what_if or WhatIf()
    _check(wanted)
    with database.reading() as transaction:
        times = RunTimes(planning.latest_runs(transaction), assumed_ms=_ASSUMED_MS)
        situation, daemon_runs = _situation(transaction, settings)
        point = ordering.stored_point(transaction)
    present = simulate(situation, times)
    changed = None
    other = situation
    if not wanted.changes_nothing:
        other = _changed(situation, wanted, point)
        changed = simulate(other, times)
    delays = _delays(situation.waiting, present, changed)
    worth = [each for each in delays if each.is_worth_a_word(compared=changed is not None)]
    return Simulation(
        at=situation.now,
        present=present,
        changed=changed,
        delayed=tuple(worth[:_SHOWN]),
        delayed_count=len(worth) * situation.weight,
        hastened_count=sum((each.later_ms or 0) <= -_WORTH_MS for each in delays) * situation.weight,
        workers=situation.workers,
        workers_then=other.workers,
        added=wanted.add,
        daemon_runs=daemon_runs,
        recorded=times.recorded,
        weight=situation.weight,
    )


def _check(wanted: WhatIf) -> None:
    for what, value, least, most in (
        ("number of workers", wanted.workers, 1, _MOST_WORKERS),
        ("number of tasks to add", wanted.add, 0, _MOST_ADDED),
        ("duration in milliseconds", wanted.duration_ms, 0, _LONGEST_MS),
        *(("concurrency", value, 1, _MOST_WORKERS) for value in wanted.concurrency.values()),
    ):
        if value is None:
            continue
        given: object = value
        if isinstance(given, bool) or not isinstance(given, int) or not least <= given <= most:
            raise InvalidInputError(
                f"the {what} {value!r:.30} is not a whole number from {least:,} to {most:,}",
                hint="give a number in that range",
            )


def _situation(transaction: Transaction, settings: Settings) -> tuple[Situation, bool]:
    now = transaction.now()
    rules = queues.rules(transaction)
    alive = [node for node in nodes.every(transaction) if node.lease_until > now and node.workers]
    workers = sum(node.workers for node in alive)
    open_states = (State.SCHEDULED, State.QUEUED, State.DISPATCHED, State.RETRYING)
    waiting = sum(count for (_, state), count in counters.read(transaction).items() if state in open_states)
    weight = max(1, -(-waiting // MOST_FOLLOWED))
    at_work = planning.tasks_at_work(transaction)
    situation = Situation(
        now=now,
        rules=rules,
        waiting=planning.waiting_tasks(transaction, weight),
        at_work=at_work,
        starts={name: starts.moments(transaction, rule, now) for name, rule in rules.items()},
        hosts=_hosts(transaction, [task.host for task in at_work], now),
        kinds=_kinds(alive, settings),
        caps=_caps(alive) if alive else {str(kind): cap for kind, cap in settings.caps_of_kinds.items()},
        workers=workers or settings.workers,
        aging=ordering.stored_point(transaction) is not None,
        weight=weight,
    )
    return situation, bool(alive)


def _kinds(alive: Sequence[nodes.NodeRecord], settings: Settings) -> dict[str, str]:
    """Return where tasks of each handler run; without a daemon, as far as the settings tell."""
    if alive:
        return {name: kind for node in alive for name, kind in json.loads(node.kinds).items()}
    return {name: registry.specification(name, settings).isolation for name in registry.names(settings)}


def _caps(alive: Sequence[nodes.NodeRecord]) -> dict[str, int]:
    """Return how many tasks of each kind all daemons together run, where that is bounded on any of them."""
    caps = [(node, json.loads(node.caps)) for node in alive]
    return {
        kind: sum(min(node.workers, bounded.get(kind, node.workers)) for node, bounded in caps)
        for kind in {kind for _, bounded in caps for kind in bounded}
    }


def _hosts(transaction: Transaction, running: Sequence[str], now: int) -> dict[str, HostUse]:
    last, held = planning.last_starts(transaction), hosts.held(transaction, now)
    at_work = Counter(running)
    return {host: HostUse(at_work[host], last.get(host), held.get(host)) for host in {*last, *held, *at_work}}


def _changed(situation: Situation, wanted: WhatIf, point: int | None) -> Situation:
    rules = dict(situation.rules)
    for name, text in wanted.rate_limits.items():
        queue = queue_named(name)
        rules[queue] = replace(rules[queue], rate_limit=parse_rate(text))
    for name, limit in wanted.concurrency.items():
        queue = queue_named(name)
        rules[queue] = replace(rules[queue], concurrency=limit)
    added = _added(situation, level_named(wanted.priority), wanted, point)
    return replace(
        situation,
        rules=rules,
        waiting=[*situation.waiting, *added],
        workers=wanted.workers or situation.workers,
    )


def _added(situation: Situation, level: Level, wanted: WhatIf, point: int | None) -> list[Waiting]:
    """Return the tasks that are thought of; each has a host of its own, and numbers that no task has."""
    rank = rank_by_point(level.score, situation.now, point)
    count = -(-wanted.add // situation.weight)
    # After all others of their score, as if they were submitted now.
    return [
        Waiting(2**62 + number, level.queue, f"?{number}", "article", rank, situation.now, wanted.duration_ms)
        for number in range(count)
    ]


def _delays(waiting: Sequence[Waiting], present: Forecast, changed: Forecast | None) -> list[Delay]:
    delays = [
        Delay(
            task.id,
            task.queue,
            task.due_at,
            present.start_of(task.id),
            changed.start_of(task.id) if changed is not None else None,
        )
        for task in waiting
    ]
    endless = 2**62
    if changed is None:
        return sorted(delays, key=lambda each: (each.due_at - (each.starts_at or endless), each.task))
    return sorted(
        delays, key=lambda each: ((each.starts_at or endless) - (each.starts_then or endless), each.task)
    )
