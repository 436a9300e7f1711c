"""Explain why a task does not run: gather what dispatch would look at, and ask the rules that it follows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from queuectl.domain.admission import (
    NO_HOST_USE,
    NO_USE,
    Block,
    HostUse,
    QueueRules,
    QueueUse,
    pick,
    queue_room,
)
from queuectl.domain.dead_letter import DeadLetter
from queuectl.domain.explanation import POSITION_BOUND, Cause, Explanation, WaitReason, earliest, ranked
from queuectl.domain.lifecycle import FINAL, State
from queuectl.domain.priority import QUEUES
from queuectl.domain.sentence import Sentence, Word, say
from queuectl.domain.task import Task, task_name
from queuectl.domain.wait_reasons import Facts, Line, Worker, reasons_to_wait
from queuectl.settings import HandlerSettings, QueueSettings, Settings
from queuectl.store import (
    counters,
    dead_letters,
    hosts,
    listing,
    nodes,
    ordering,
    queues,
    ready,
    starts,
    waiting,
)
from queuectl.store.database import Transaction
from queuectl.store.ready import START, Place
from queuectl.store.waiting import Standing

_LOOKED_AT = 1_000
"""So many of a queue's first tasks are looked at where their hosts decide which of them start."""

_RECENT_MS = 600_000
_RECENT_RUNS = 200
_END: Place = (2**62, 0, 0)


def explain(transaction: Transaction, settings: Settings, number: int) -> Explanation | None:
    """Return why a task does not run, or what it does if it does; None if there is no such task."""
    task = listing.task(transaction, number)
    standing = waiting.standing(transaction, number)
    if task is None or standing is None:
        return None
    now = transaction.now()
    if task.state is State.RUNNING or task.state in FINAL:
        letter = dead_letters.of_task(transaction, number) if task.state is State.DEAD else None
        return Explanation(task, now, ranked(_no_wait(task, letter)))
    facts = _facts(transaction, settings, task, standing, now)
    reasons = ranked(reasons_to_wait(facts))
    moment, certainty = earliest(reasons, now)
    line = facts.line
    return Explanation(
        task,
        now,
        reasons,
        position=None if line is None else line.before,
        position_is_least=line is not None and line.least,
        earliest_start=moment,
        certainty=certainty,
    )


def _no_wait(task: Task, letter: DeadLetter | None) -> list[WaitReason]:
    name = task_name(task.id)
    if task.state is State.RUNNING:
        found = [
            WaitReason(
                Cause.RUNNING,
                say("wait.running", attempt=task.attempt),
                command=f"queuectl cancel {name}",
                binding=False,
            )
        ]
        if task.cancel_requested:
            found = [WaitReason(Cause.CANCEL_REQUESTED, say("wait.cancel_requested"), binding=False), *found]
        return found
    said, command = {
        State.SUCCEEDED: (say("wait.succeeded"), f"queuectl show {name}"),
        State.CANCELLED: (say("wait.cancelled"), f"queuectl retry {name}"),
        State.DEAD: (_death(task, letter), f"queuectl retry {name}"),
    }[task.state]
    return [WaitReason(Cause.ENDED, said, command=command, binding=False)]


def _death(task: Task, letter: DeadLetter | None) -> Sentence:
    cause = say("wait.cause", cause=Word("cause", str(letter.cause))) if letter is not None else ""
    return say("wait.dead", n=task.attempt, cause=cause)


def _facts(transaction: Transaction, settings: Settings, task: Task, standing: Standing, now: int) -> Facts:
    rules = queues.rules(transaction)
    daemons = _daemons(transaction, now)
    queued = task.state is State.QUEUED or (task.state is not State.DISPATCHED and task.due_at <= now)
    rule = rules[task.queue]
    uses = starts.uses(transaction, [each for each in rules.values() if each.limits_starts], now)
    order = _Order(transaction, rules, uses, task, standing, now)
    host_use = order.hosts_in([standing.host])[standing.host]
    line, block = order.line(sum(each.workers for each in daemons)) if queued else (None, None)
    held = host_use.held_until is not None and host_use.held_until > now
    return Facts(
        now=now,
        task=task,
        failures=task.attempt - standing.released,
        runs=_retries(settings, rule, task) + 1,
        daemons=daemons,
        rule=rule,
        use=uses.get(task.queue, NO_USE),
        starts=tuple(starts.moments(transaction, rule, now)),
        host=standing.host,
        host_use=host_use,
        host_before=order.of_host() if queued and rule.host_gap is not None else 0,
        held_because=waiting.held_because(transaction, standing.host) if held else None,
        line=line,
        block=block,
        mean_run_ms=waiting.mean_run_ms(transaction, now - _RECENT_MS, _RECENT_RUNS) if line else None,
    )


def _daemons(transaction: Transaction, now: int) -> tuple[Worker, ...]:
    return tuple(
        Worker(
            node.host,
            node.workers,
            node.per_minute,
            frozenset(json.loads(node.handlers)),
            node.clock_ahead,
            _held_back(node),
        )
        for node in nodes.every(transaction)
        if node.lease_until > now and node.workers
    )


def _held_back(node: nodes.NodeRecord) -> dict[str, str]:
    kinds = json.loads(node.kinds)
    return {name: kinds[name] for name in json.loads(node.held_back)}


def _retries(settings: Settings, rule: QueueRules, task: Task) -> int:
    queue = settings.queues.get(task.queue, QueueSettings())
    handler = settings.handlers.get(task.handler, HandlerSettings())
    wanted = (
        task.max_retries,
        rule.max_retries,
        queue.max_retries,
        handler.max_retries,
        settings.max_retries,
    )
    return next(value for value in wanted if value is not None)


@dataclass(slots=True)
class _Order:
    """The queued tasks in the order in which they are taken, as seen from one of them."""

    transaction: Transaction
    rules: Mapping[str, QueueRules]
    uses: Mapping[str, QueueUse]
    task: Task
    standing: Standing
    now: int
    _running: Mapping[str, int] | None = None
    _begun: dict[str, HostUse] = field(default_factory=dict)

    def line(self, workers: int) -> tuple[Line, Block | None]:
        """Return where the task stands, when there are so many workers, and what its host would be blocked by."""
        counts = counters.read(self.transaction)
        aging = ordering.stored_point(self.transaction) is not None
        busy = sum(
            number for (_, state), number in counts.items() if state in (State.RUNNING, State.DISPATCHED)
        )
        free = max(0, workers - busy)
        own = waiting.before(self.transaction, self.task.queue, self.standing.place, POSITION_BOUND + 1)
        before, taken = min(own, POSITION_BOUND), 0
        held = hosts.held(self.transaction, self.now)
        for name in QUEUES if aging else QUEUES[: QUEUES.index(self.task.queue)]:
            if name == self.task.queue or self.rules[name].paused:
                continue
            queued = counts.get((name, State.QUEUED), 0)
            if aging and queued:
                queued = waiting.before(self.transaction, name, self.standing.place, POSITION_BOUND + 1)
            before += queued
            if queued and taken < free:
                end = self.standing.place if aging else _END
                taken += self._takes(self.rules[name], min(queued, free - taken), held, end)
        mine, chosen, block = self._own(free - taken, own, held)
        least = own > POSITION_BOUND
        return Line(before, own, least, free, taken + mine, chosen), block

    @property
    def _minds_hosts(self) -> bool:
        """Whether a start of one queue may keep a task of another one, of the same host, from starting."""
        return any(rule.limits_hosts for rule in self.rules.values())

    def _takes(self, rule: QueueRules, most: int, held: Mapping[str, int], end: Place) -> int:
        """Return how many of another queue's tasks before a place would be taken, ``most`` at the most."""
        room, _ = queue_room(rule, self.uses.get(rule.name, NO_USE))
        most = most if room is None else min(most, room)
        if most <= 0 or not (self._minds_hosts or held):
            return max(0, most)
        return len(self._picked(rule, most, held, end)[0])

    def _own(self, free: int, own: int, held: Mapping[str, int]) -> tuple[int, bool, Block | None]:
        """Return how many of its queue's tasks before it would be taken, whether it would, and what blocks its host."""
        rule = self.rules[self.task.queue]
        room, _ = queue_room(rule, self.uses.get(rule.name, NO_USE))
        room = free if room is None else min(free, room)
        if not (self._minds_hosts or held):
            return min(own, max(0, room)), own < room, None
        if room <= 0:
            return 0, False, None
        chosen, blocks = self._picked(rule, room, held, self.standing.place, myself=True)
        mine = self.task.id in chosen
        return len(chosen) - mine, mine, blocks.get(self.standing.host)

    def _picked(
        self, rule: QueueRules, most: int, held: Mapping[str, int], end: Place, *, myself: bool = False
    ) -> tuple[list[int], dict[str, Block]]:
        """Let the rule of admission pick among the tasks before a place, with the explained one behind them."""
        found = ready.candidates(
            self.transaction, rule.name, _LOOKED_AT, after=START, without=held.keys() - {self.standing.host}
        )
        choice = [(each.id, each.host) for each in found if each.place < end]
        if myself:
            choice.append((self.task.id, self.standing.host))
        use = self.hosts_in({host for _, host in choice})
        chosen, blocks = pick(rule, use, choice, most, self.now)
        kept = set(chosen)
        for number, host in choice:
            if number in kept:  # it counts for the queues that are served later
                before = self._begun.get(host, use[host])
                self._begun[host] = HostUse(before.running + 1, self.now, before.held_until)
        return chosen, blocks

    def of_host(self) -> int:
        """Return how many tasks of its queue and host are known to come before it."""
        found = ready.candidates(self.transaction, self.task.queue, _LOOKED_AT, after=START, without=())
        return sum(each.host == self.standing.host and each.place < self.standing.place for each in found)

    def hosts_in(self, names: set[str] | list[str]) -> dict[str, HostUse]:
        """Return the use of these hosts."""
        if self._running is None:
            self._running = hosts.running(self.transaction) if self._minds_hosts else {}
        found = hosts.uses(self.transaction, names, self._running)
        return {name: self._begun.get(name, found.get(name, NO_HOST_USE)) for name in names}
