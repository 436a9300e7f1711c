"""One queue in virtual time: its waiting tasks in order, and what its limits and their hosts leave room for.

It decides nothing itself: ``admission`` does, with the same functions as in the daemon. Tasks are kept
in groups by host and kind of work, so that a host or a kind that has to wait costs nothing until it may start again.
"""

from __future__ import annotations

import heapq
from collections import Counter, deque
from collections.abc import Iterable, Mapping
from dataclasses import replace

from queuectl.domain.admission import NO_HOST_USE, HostUse, QueueRules, QueueUse, pick, queue_room
from queuectl.domain.forecast import Waiting

Key = tuple[int, int, int]
"""The place of a task in its queue: (rank, due time, number)."""

Group = tuple[str, str]
"""A host and a kind of work; empty where it does not matter which."""

_ANY = ""


class Hosts:
    """What is at work on each host, as far as it matters."""

    def __init__(self, known: dict[str, HostUse]) -> None:
        self._uses = known

    def use(self, host: str) -> HostUse:
        """Return a host's use."""
        return self._uses.get(host, NO_HOST_USE)

    def begin(self, host: str, now: int) -> None:
        """Count a start."""
        use = self.use(host)
        self._uses[host] = HostUse(use.running + 1, now, use.held_until)

    def end(self, host: str) -> None:
        """Count an end."""
        use = self.use(host)
        self._uses[host] = HostUse(max(0, use.running - 1), use.last_start_at, use.held_until)


class Kinds:
    """How many tasks of each kind of work may run at a time, where that is less than there are workers.

    ``kinds`` tells the kind of each handler, ``caps`` how many tasks of a kind all daemons together run.
    """

    def __init__(self, kinds: Mapping[str, str], caps: Mapping[str, int], at_work: Iterable[str]) -> None:
        self.capped = tuple(caps)
        self._kinds = {handler: kind for handler, kind in kinds.items() if kind in caps}
        self._left = Counter(caps)
        for handler in at_work:
            self.begin(handler)

    def of(self, handler: str) -> str:
        """Return a handler's kind, or nothing if that has no cap."""
        return self._kinds.get(handler, _ANY)

    def is_full(self, kind: str) -> bool:
        """Whether no task of a kind may start now."""
        return kind != _ANY and self._left[kind] <= 0

    def begin(self, handler: str) -> None:
        """Count a start."""
        self._left[self.of(handler)] -= 1

    def end(self, handler: str) -> None:
        """Count an end."""
        self._left[self.of(handler)] += 1


NO_CAPS = Kinds({}, {}, ())
"""Where no kind has a cap."""


class Lane:
    """A queue's tasks that are due, by host and kind, and the starts that its limits count."""

    def __init__(
        self, rule: QueueRules, starts: Iterable[int], at_work: int, *, by_host: bool, kinds: Kinds = NO_CAPS
    ) -> None:
        self.rule = rule
        self.waiting = 0
        self._at_work = at_work
        self._starts = deque(sorted(starts))
        self._by_host = by_host
        self._kinds = kinds
        self._tasks: dict[Group, list[tuple[Key, Waiting]]] = {}
        self._ready: list[tuple[Key, Group]] = []
        self._later: list[tuple[int, Group]] = []  # groups whose host has to wait, until when
        self._stuck: set[Group] = set()  # groups that have to wait for an end on their host
        self._crowded: dict[str, list[tuple[Key, Group]]] = {}  # those that wait for one of their kind
        self._held: set[Group] = set()  # all of these

    def add(self, task: Waiting) -> None:
        """Take in a task that is due."""
        group = (task.host if self._by_host else _ANY, self._kinds.of(task.handler))
        key = (task.rank, task.due_at, task.id)
        tasks = self._tasks.setdefault(group, [])
        heapq.heappush(tasks, (key, task))
        self.waiting += 1
        if tasks[0][0] == key and group not in self._held:
            heapq.heappush(self._ready, (key, group))

    def use(self, now: int) -> QueueUse:
        """Return what the queue's limits are compared with."""
        rate = self.rule.rate_limit
        if rate is None:
            return QueueUse(self._at_work)
        while self._starts and self._starts[0] <= now - rate.period_ms:
            self._starts.popleft()
        started = len(self._starts)
        full = started >= rate.starts
        return QueueUse(
            self._at_work, started, self._starts[started - rate.starts] + rate.period_ms if full else None
        )

    def head(self) -> Key | None:
        """Return the place of the first task whose host and kind do not have to wait."""
        while self._ready:
            key, group = self._ready[0]
            tasks = self._tasks.get(group)
            if tasks and tasks[0][0] == key and group not in self._held:
                return key
            heapq.heappop(self._ready)
        return None

    def take(self, hosts: Hosts, now: int) -> Waiting | None:
        """Take the first task whose host and kind let it start; those that do not are set aside until they may."""
        while self.head() is not None:
            _, group = self._ready[0]
            host, kind = group
            _, task = self._tasks[group][0]
            if self._kinds.is_full(kind):
                self._held.add(group)
                heapq.heappush(self._crowded.setdefault(kind, []), heapq.heappop(self._ready))
                continue
            chosen, blocked = pick(self.rule, {host: hosts.use(host)}, [(task.id, host)], 1, now)
            if chosen:
                self._begin(group, hosts, now)
                return task
            until = blocked[host].until
            self._held.add(group)
            self._let_in(kind)  # there is room for the kind, and it is not for this host
            if until is None:
                self._stuck.add(group)
            else:
                heapq.heappush(self._later, (until, group))
        return None

    def count(self, now: int) -> int:
        """Count a start as a daemon does: at the latest moment at which it may happen, which is returned."""
        self._at_work += 1
        latest = now + (self.rule.start_guard_ms or 0)
        if self.rule.rate_limit is not None:
            self._starts.append(self.rule.rate_limit.stamp(latest))
        return latest

    def end(self) -> None:
        """Count the end of one of the queue's runs."""
        self._at_work -= 1

    def release(self, host: str, kind: str) -> None:
        """Let tasks start again that had to wait for an end on a host or, the first of them, of a kind."""
        for group in ((host, each) for each in (_ANY, *self._kinds.capped)):
            if group in self._stuck:
                self._stuck.remove(group)
                self._free(group)
        self._let_in(kind)

    def pass_time(self, now: int) -> None:
        """Let the tasks of those hosts start again whose wait is over."""
        while self._later and self._later[0][0] <= now:
            _, group = heapq.heappop(self._later)
            self._free(group)

    def next_moment(self, now: int) -> int | None:
        """Return when something changes by itself for a task that waits here; None if nothing does."""
        if not self.waiting:
            return None
        moments = [self._later[0][0]] if self._later else []
        _, block = queue_room(self.rule, self.use(now))
        if block is not None and block.until is not None:
            moments.append(block.until)
        return min(moments, default=None)

    def _begin(self, group: Group, hosts: Hosts, now: int) -> None:
        _, task = heapq.heappop(self._tasks[group])
        heapq.heappop(self._ready)
        if self._tasks[group]:
            heapq.heappush(self._ready, (self._tasks[group][0][0], group))
        else:
            del self._tasks[group]
        self.waiting -= 1
        self._kinds.begin(task.handler)
        latest = self.count(now)
        if self._by_host:
            hosts.begin(group[0], latest)

    def _let_in(self, kind: str) -> None:
        """Let the first tasks that wait for one of a kind to end try again."""
        crowded = self._crowded.get(kind)
        if crowded:
            _, group = heapq.heappop(crowded)
            self._free(group)

    def _free(self, group: Group) -> None:
        self._held.discard(group)
        tasks = self._tasks.get(group)
        if tasks:
            heapq.heappush(self._ready, (tasks[0][0], group))


def rate_start(rule: QueueRules, starts: Iterable[int], before: int, now: int) -> int:
    """Return when a queue's rate limit alone would let a task start with so many of its queue before it."""
    lane = Lane(replace(rule, paused=False, concurrency=None), starts, 0, by_host=False)
    at = now
    for place in range(before + 1):
        _, block = queue_room(lane.rule, lane.use(at))
        if block is not None and block.until is not None:
            at = block.until
        if place < before:
            lane.count(at)
    return at


def gap_start(rule: QueueRules, use: HostUse, before: int, now: int) -> int:
    """Return when a host's hold and gap alone would let a task start with so many of its queue and host before it."""
    gap = round((rule.host_gap or 0) * 1000)
    last = use.last_start_at + gap if use.last_start_at is not None else now
    return max(now, last, use.held_until or now) + before * (gap + (rule.start_guard_ms or 0))
