"""One queue in virtual time: its waiting tasks in order, and what its limits and their hosts leave room for.

It decides nothing itself: ``admission`` does, with the same functions as in the daemon. Tasks are
kept by host, so that a host that has to wait costs nothing until it may start again.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterable
from dataclasses import replace

from queuectl.domain.admission import NO_HOST_USE, HostUse, QueueRules, QueueUse, pick, queue_room
from queuectl.domain.forecast import Waiting

Key = tuple[int, int, int]
"""The place of a task in its queue: (rank, due time, number)."""

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


class Lane:
    """A queue's tasks that are due, by host, and the starts that its limits count."""

    def __init__(self, rule: QueueRules, starts: Iterable[int], at_work: int, *, by_host: bool) -> None:
        self.rule = rule
        self.waiting = 0
        self._at_work = at_work
        self._starts = deque(sorted(starts))
        self._by_host = by_host
        self._tasks: dict[str, list[tuple[Key, Waiting]]] = {}
        self._ready: list[tuple[Key, str]] = []
        self._later: list[tuple[int, str]] = []  # hosts that have to wait, until when
        self._stuck: set[str] = set()  # hosts that have to wait for an end
        self._held: set[str] = set()  # both

    def add(self, task: Waiting) -> None:
        """Take in a task that is due."""
        host = task.host if self._by_host else _ANY
        key = (task.rank, task.due_at, task.id)
        tasks = self._tasks.setdefault(host, [])
        heapq.heappush(tasks, (key, task))
        self.waiting += 1
        if tasks[0][0] == key and host not in self._held:
            heapq.heappush(self._ready, (key, host))

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
        """Return the place of the first task whose host does not have to wait."""
        while self._ready:
            key, host = self._ready[0]
            tasks = self._tasks.get(host)
            if tasks and tasks[0][0] == key and host not in self._held:
                return key
            heapq.heappop(self._ready)
        return None

    def take(self, hosts: Hosts, now: int) -> Waiting | None:
        """Take the first task whose host lets it start; hosts that do not are set aside until they may."""
        while self.head() is not None:
            _, host = self._ready[0]
            _, task = self._tasks[host][0]
            chosen, blocked = pick(self.rule, {host: hosts.use(host)}, [(task.id, host)], 1, now)
            if chosen:
                self._begin(host, hosts, now)
                return task
            until = blocked[host].until
            self._held.add(host)
            if until is None:
                self._stuck.add(host)
            else:
                heapq.heappush(self._later, (until, host))
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

    def release(self, host: str) -> None:
        """Let a host's tasks start again if they had to wait for an end there."""
        if host in self._stuck:
            self._stuck.remove(host)
            self._free(host)

    def pass_time(self, now: int) -> None:
        """Let the tasks of those hosts start again whose wait is over."""
        while self._later and self._later[0][0] <= now:
            _, host = heapq.heappop(self._later)
            self._free(host)

    def next_moment(self, now: int) -> int | None:
        """Return when something changes by itself for a task that waits here; None if nothing does."""
        if not self.waiting:
            return None
        moments = [self._later[0][0]] if self._later else []
        _, block = queue_room(self.rule, self.use(now))
        if block is not None and block.until is not None:
            moments.append(block.until)
        return min(moments, default=None)

    def _begin(self, host: str, hosts: Hosts, now: int) -> None:
        heapq.heappop(self._tasks[host])
        heapq.heappop(self._ready)
        if self._tasks[host]:
            heapq.heappush(self._ready, (self._tasks[host][0][0], host))
        else:
            del self._tasks[host]
        self.waiting -= 1
        latest = self.count(now)
        if self._by_host:
            hosts.begin(host, latest)

    def _free(self, host: str) -> None:
        self._held.discard(host)
        tasks = self._tasks.get(host)
        if tasks:
            heapq.heappush(self._ready, (tasks[0][0], host))


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
