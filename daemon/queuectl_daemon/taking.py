"""The last step of a tick: take queued tasks, as far as there is room and limits allow it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from queuectl.clock import monotonic, now_ms
from queuectl.domain.admission import (
    Grant,
    HostUse,
    QueueRules,
    QueueUse,
    admit,
    admit_in_order,
    pick,
    queue_room,
)
from queuectl.domain.priority import QUEUES
from queuectl.domain.task import Claimed
from queuectl.store import hosts, queues, ready, starts, tasks
from queuectl.store.database import Transaction
from queuectl.store.ready import Candidate
from queuectl.store.tasks import START, Message, Place
from queuectl_daemon.flights import Key, Window
from queuectl_daemon.kinds import NO_CAPS, KindRoom
from queuectl_daemon.punctuality import Punctuality
from queuectl_daemon.view import View, line_of

_ROUNDS = 8
"""So often one tick looks for tasks of hosts that are free; then it goes on in the next one."""

_LEAST_CANDIDATES = 32
_LONG_WAY_SECONDS = 0.02
_TAKEN_ELSEWHERE_MS = 10
_LEISURELY_MS = 300
"""With a guard as long as this, claims may run ahead of the workers as they do everywhere else."""

Taken = TypeVar("Taken", Claimed, Message)
Take = Callable[[str, int, Sequence[int] | None], list[Taken]]
"""Takes up to so many of a queue's first tasks, or only those with these numbers."""


@dataclass(slots=True)
class Taking:
    """What one tick takes. Rooms are how many more tasks of each queue may be in hand."""

    transaction: Transaction
    node: str
    view: View
    punctuality: Punctuality
    kinds: KindRoom = NO_CAPS
    claimed: list[Claimed] = field(default_factory=list)
    dispatched: list[Message] = field(default_factory=list)
    windows: dict[Key, Window] = field(default_factory=dict)
    last_starts: dict[str, int] = field(default_factory=dict)
    has_more: bool = False
    _uses: dict[str, QueueUse] = field(default_factory=dict)
    _running: Counter[str] | None = None
    _now: int = 0
    _seen: float = 0.0

    @property
    def waits_for_limits(self) -> bool:
        """Whether a queue with limits may have something to start."""
        return bool(self._limited_waiting())

    def start(self, rooms: dict[str, int], free: dict[str, int]) -> None:
        """Claim queued tasks for this node's own workers; ``free`` are the rooms of those that have nothing to do."""
        closed = self._open_limited(rooms)
        for grant in self._grants(rooms, closed):
            rule = self.view.rules[grant.queue]
            limit = min(grant.tasks, rooms[grant.queue])
            if not self._is_leisurely(rule):
                limit = min(limit, free[grant.queue])
            if limit > 0:
                _occupy(grant.queue, self._start(rule, limit), rooms, free)

    def dispatch(self, rooms: dict[str, int]) -> None:
        """Dispatch queued tasks of queues without limits to the shared lists."""
        for grant in self._grants(rooms, self.view.limited):
            limit = min(grant.tasks, rooms[grant.queue])
            if limit > 0:
                sent = self._taken(self.view.rules[grant.queue], limit, self._send)
                self.dispatched += sent
                _occupy(grant.queue, len(sent), rooms)

    def _grants(self, rooms: dict[str, int], closed: Collection[str]) -> list[Grant]:
        view = self.view
        waiting = view.waiting.difference(closed)
        if not view.aging:
            return admit(view.rules, self._uses, rooms, waiting)
        lines = {
            name: line_of(name, self.kinds.full) for name in sorted(waiting) if not view.rules[name].paused
        }
        after = {
            name: view.places.get(line, START) for name, line in lines.items() if line not in view.searched
        }
        began = monotonic()
        heads, in_vain = queues.heads(self.transaction, after, max(rooms.values()), without=self.kinds.full)
        for (
            name
        ) in in_vain:  # to find only what is left out takes a scan of the queue; not again at each tick
            if after[name] == START:
                self._note_scan(name, lines[name], monotonic() - began)
            view.exhaust(lines[name])
        return admit_in_order(view.rules, self._uses, rooms, heads)

    def _start(self, rule: QueueRules, limit: int) -> int:
        begun = self._taken(rule, limit, self._claim)
        self.claimed += begun
        if begun:
            self._note_starts(rule, begun)
        return len(begun)

    def _claim(self, queue: str, limit: int, only: Sequence[int] | None) -> list[Claimed]:
        after = self.view.places.get(queue, START)
        began = monotonic()
        begun, place = tasks.start(
            self.transaction, queue, limit, node=self.node, now=now_ms(), after=after, only=only
        )
        if only is None:
            self._note_place(queue, after, place, monotonic() - began)
        self.kinds.count(begun)
        return begun

    def _send(self, queue: str, limit: int, only: Sequence[int] | None) -> list[Message]:
        after = self.view.places.get(queue, START)
        began = monotonic()
        sent, place = tasks.dispatch(
            self.transaction, queue, limit, node=self.node, now=now_ms(), after=after, only=only
        )
        if only is None:
            self._note_place(queue, after, place, monotonic() - began)
        return sent

    def _note_place(self, queue: str, after: Place, place: Place, seconds: float) -> None:
        """Note how far a queue has been taken, and whether the way from its beginning is long.

        PostgreSQL passes over whatever was taken since somebody's old snapshot, which is much after a while.
        """
        if after == START and seconds > _LONG_WAY_SECONDS:
            self.view.scanned(queue, seconds)
        self.view.places[queue] = place

    def _taken(self, rule: QueueRules, limit: int, take: Take[Taken]) -> list[Taken]:
        if rule.limits_hosts or self.view.holds or self.kinds.binds:
            return self._picked(rule, limit, take)
        taken = take(rule.name, limit, None)
        if len(taken) < limit:
            self.view.waiting.discard(rule.name)
        return taken

    # Queues with limits.

    def _limited_waiting(self) -> list[str]:
        view = self.view
        return [
            name
            for name in view.limited
            if name in view.waiting and not view.rules[name].paused and name not in view.blocks
        ]

    def _open_limited(self, rooms: dict[str, int]) -> list[str]:
        """Lock the queues whose limits have to be kept and read their use; return those of which nothing may start.

        Another node that has locked a queue takes of it at this moment; this one comes back for it.
        """
        view, limited = self.view, self.view.limited
        wanted = [name for name in self._limited_waiting() if rooms[name] > 0]
        if not wanted:
            return limited
        locked = self._locked(wanted)
        view.rules.update(locked)
        opened = [name for name in wanted if name in locked]
        view.blocks |= {name: now_ms() + _TAKEN_ELSEWHERE_MS for name in wanted if name not in locked}
        if opened:
            self._seen = monotonic()
            self._now = self.transaction.now()
            for name in opened:
                starts.refund(self.transaction, name, view.refunds.pop(name, {}))
            self._uses = starts.uses(self.transaction, [locked[name] for name in opened], self._now)
        for name in opened:
            _, block = queue_room(locked[name], self._uses[name])
            if block is not None:
                view.blocks[name] = None if block.until is None else self._here(block.until)
        return [name for name in limited if name not in opened]

    def _locked(self, wanted: Sequence[str]) -> dict[str, QueueRules]:
        """Lock what is free; hosts are shared by queues, so of those that mind them all are locked, or none counts."""
        minding = {name for name, rule in self.view.rules.items() if rule.limits_hosts}
        if minding.isdisjoint(wanted):
            return queues.lock_free(self.transaction, wanted)
        locked = queues.lock_free(self.transaction, [*minding.union(wanted)])
        if locked.keys() >= minding:
            return locked
        return {name: rule for name, rule in locked.items() if name not in minding}

    def _here(self, at: int) -> int:
        """Return a moment of the database's clock by this machine's."""
        return at - self._now + now_ms()

    def _is_leisurely(self, rule: QueueRules) -> bool:
        guard = self.punctuality.guard_ms(rule)
        return guard is None or guard >= _LEISURELY_MS

    def _note_starts(self, rule: QueueRules, begun: Sequence[Claimed]) -> None:
        guard = self.punctuality.guard_ms(rule)
        if guard is not None:
            at = None if rule.rate_limit is None else rule.rate_limit.stamp(self._now + guard)
            window = Window(self._seen, self._seen + guard / 2000, self._seen + guard / 1000, at)
            self.windows |= {(work.id, work.fence): window for work in begun}
            if at is not None:
                starts.note(self.transaction, rule.name, len(begun), at)
        if self._running is not None and not rule.limits_hosts:
            self._running.update(work.host for work in begun)  # queues served later may mind
        if self.view.keeps_gaps:
            latest = (self._now or self.transaction.now()) + (guard or 0)
            self.last_starts |= {work.host: latest for work in begun}

    # Hosts.

    def _picked(self, rule: QueueRules, limit: int, take: Take[Taken]) -> list[Taken]:
        """Take a queue's first tasks whose hosts and kinds are free; other hosts are passed over by the index alone."""
        view, taken = self.view, list[Taken]()
        blocked = view.blocked_hosts(rule.name) | self._crowded(rule)
        for _ in range(_ROUNDS):
            wanted = limit - len(taken)
            asked = max(wanted, _LEAST_CANDIDATES)
            line = line_of(rule.name, self.kinds.full)
            found = self._candidates(rule.name, line, asked, blocked)
            fitting = found[: self.kinds.fitting([each.handler for each in found])]
            chosen = self._chosen(rule, fitting, wanted, blocked)
            if chosen:
                taken += take(rule.name, len(chosen), [each.id for each in chosen])
            if len(chosen) < wanted and len(found) < asked and len(fitting) == len(found):
                view.exhaust(line)
                return taken
            view.places[line] = (chosen if len(chosen) == wanted else fitting)[-1].place
            if len(taken) >= limit:
                return taken
        self.has_more = True
        return taken

    def _candidates(self, queue: str, line: str, limit: int, blocked: Collection[str]) -> list[Candidate]:
        view, place, began = self.view, self.view.places.get(line, START), monotonic()
        if line in view.searched:
            return []
        handlers = self.kinds.full if self.kinds.binds else None
        found = ready.candidates(
            self.transaction, queue, limit, after=place, without=blocked, without_handlers=handlers
        )
        if place == START:
            if line != queue and not found:
                self._note_scan(queue, line, monotonic() - began)
            else:
                view.scanned(line, monotonic() - began)
        return found

    def _note_scan(self, queue: str, line: str, seconds: float) -> None:
        """Note that a line was scanned in vain: reading a handler means reading the task."""
        self.view.scanned(line, seconds)
        self.view.places[line] = ready.last(self.transaction, queue)  # what comes from now on comes behind

    def _chosen(
        self, rule: QueueRules, found: Sequence[Candidate], limit: int, blocked: set[str]
    ) -> list[Candidate]:
        """Return the tasks whose hosts are free; add the other hosts to ``blocked`` and remember how long they are."""
        if not rule.limits_hosts or not found:
            return list(found[:limit])
        uses = self._host_uses({each.host for each in found})
        numbers, blocks = pick(rule, uses, [(each.id, each.host) for each in found], limit, self._now)
        picked = set(numbers)
        chosen = [each for each in found if each.id in picked]
        begun = Counter(each.host for each in chosen)
        ends = {host: block.until for host, block in blocks.items()}
        if rule.host_gap is not None:
            free_at = self._now + (self.punctuality.guard_ms(rule) or 0) + round(rule.host_gap * 1000)
            ends |= dict.fromkeys(begun, free_at)
        for host, until in ends.items():
            if until is not None:
                self.view.keep_gap(rule.name, host, self._here(until))
        if self._running is not None:
            self._running.update(begun)
        blocked |= ends.keys() | self._crowded(rule)
        return chosen

    def _host_uses(self, names: set[str]) -> dict[str, HostUse]:
        uses = hosts.uses(self.transaction, names, self._running or {})
        for host in names & self.last_starts.keys():
            latest = max(self.last_starts[host], uses[host].last_start_at or 0)
            uses[host] = replace(uses[host], last_start_at=latest)
        return uses

    def _crowded(self, rule: QueueRules) -> set[str]:
        """Return the hosts of which as many tasks run as this queue allows."""
        if rule.host_concurrency is None:
            return set()
        if self._running is None:
            self._running = hosts.running(self.transaction)
        return {host for host, count in self._running.items() if count >= rule.host_concurrency}


def _occupy(queue: str, taken: int, *rooms: dict[str, int]) -> None:
    """Take tasks of a queue off the rooms of its level and those below."""
    for each in rooms:
        for name in QUEUES[QUEUES.index(queue) :]:
            each[name] -= taken
