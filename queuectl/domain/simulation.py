"""Let virtual time pass over a copy of the queues: what would start when, if nothing else were submitted.

Tasks start only as ``admission`` lets them, the functions by which the daemon dispatches. What fails
is not run again here, and what a schedule will submit is not known yet. The same situation always
gives the same forecast: each task's run time is the quantile of the recorded ones that its number
points to, so that two forecasts differ only by what was changed.
"""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from dataclasses import replace

from queuectl.domain.admission import QueueRules, admit, admit_in_order
from queuectl.domain.forecast import AtWork, Forecast, QueueForecast, Situation, Waiting
from queuectl.domain.lane import Hosts, Kinds, Lane
from queuectl.domain.rate import RateLimit
from queuectl.domain.run_times import RunTimes

_SPREAD = 2_654_435_761
"""The golden ratio times two to the thirty-second power: multiples of it fall evenly over that range."""


def simulate(situation: Situation, times: RunTimes) -> Forecast:
    """Return what would happen from the situation on."""
    return _Simulation(situation, times).run()


def chance_of(task: int) -> float:
    """Return the share of recorded runs that are shorter than the one a task is given; even over many tasks."""
    return (task * _SPREAD % 2**32) / 2**32


class _Simulation:
    """The state of the world as virtual time passes."""

    def __init__(self, situation: Situation, times: RunTimes) -> None:
        self._weight = situation.weight
        self._times = times
        self._aging = situation.aging
        self._now = situation.now
        self._rules = {name: _weighted(rule, situation.weight) for name, rule in situation.rules.items()}
        by_host = any(rule.limits_hosts for rule in situation.rules.values()) or any(
            use.held_until is not None for use in situation.hosts.values()
        )
        busy = Counter(task.queue for task in situation.at_work)
        self._kinds = Kinds(situation.kinds, situation.caps, [task.handler for task in situation.at_work])
        self._lanes = {
            name: Lane(rule, situation.starts.get(name, ()), busy[name], by_host=by_host, kinds=self._kinds)
            for name, rule in self._rules.items()
        }
        self._limited = {name for name, rule in self._rules.items() if rule.limits_starts}
        self._by_host = by_host
        self._hosts = Hosts(dict(situation.hosts))
        self._free = situation.workers - len(situation.at_work)
        self._due = sorted(situation.waiting, key=lambda task: task.due_at, reverse=True)
        self._ends: list[tuple[int, int, str, str, str]] = []
        self._tasks = Counter(task.queue for task in situation.waiting) + busy
        self._last_end: dict[str, int] = {}
        self._longest_wait: dict[str, int] = defaultdict(int)
        self._starts: dict[int, int] = {}
        for task in situation.at_work:
            elapsed = max(0, self._now - task.started_at)
            took = times.at_quantile(task.queue, task.handler, chance_of(task.id), beyond=elapsed)
            self._end_later(task, self._now + took - elapsed)

    def run(self) -> Forecast:
        """Let time pass until nothing can happen any more."""
        moment: int | None = self._now
        while moment is not None:
            self._now = max(self._now, moment)
            self._arrive()
            self._finish()
            if self._by_host:
                for lane in self._lanes.values():
                    lane.pass_time(self._now)
            self._start()
            moment = self._next_moment()
        return Forecast(tuple(self._of_queue(name) for name in self._rules), self._starts)

    def _arrive(self) -> None:
        while self._due and self._due[-1].due_at <= self._now:
            task = self._due.pop()
            self._lanes[task.queue].add(task)

    def _finish(self) -> None:
        while self._ends and self._ends[0][0] <= self._now:
            _, _, queue, host, handler = heapq.heappop(self._ends)
            self._free += 1
            self._lanes[queue].end()
            self._kinds.end(handler)
            if self._by_host:
                self._hosts.end(host)
            if self._by_host or self._kinds.capped:
                for lane in self._lanes.values():
                    lane.release(host, self._kinds.of(handler))

    def _start(self) -> None:
        """Start what may, in the order of admission, until no worker is free or nothing more may."""
        while self._free > 0:
            heads = sorted(
                (head, name) for name, lane in self._lanes.items() if (head := lane.head()) is not None
            )
            names = [name for _, name in heads]
            uses = {name: self._lanes[name].use(self._now) for name in names if name in self._limited}
            if self._aging:
                grants = admit_in_order(self._rules, uses, dict.fromkeys(names, 1), names)
            else:
                grants = admit(self._rules, uses, dict.fromkeys(names, self._free), names)
            if not any(self._take(grant.queue, grant.tasks) for grant in grants):
                return

    def _take(self, queue: str, limit: int) -> int:
        taken = 0
        while taken < limit and self._free > 0:
            task = self._lanes[queue].take(self._hosts, self._now)
            if task is None:
                break
            self._begin(task)
            taken += 1
        return taken

    def _begin(self, task: Waiting) -> None:
        took = task.took
        if took is None:
            took = self._times.at_quantile(task.queue, task.handler, chance_of(task.id))
        self._free -= 1
        self._starts[task.id] = self._now
        self._longest_wait[task.queue] = max(self._longest_wait[task.queue], self._now - task.due_at)
        self._end_later(task, self._now + took * self._weight)

    def _end_later(self, task: Waiting | AtWork, at: int) -> None:
        heapq.heappush(self._ends, (at, task.id, task.queue, task.host, task.handler))
        self._last_end[task.queue] = max(self._last_end.get(task.queue, 0), at)

    def _next_moment(self) -> int | None:
        moments = [lane.next_moment(self._now) for lane in self._lanes.values()] if self._free > 0 else []
        known = [moment for moment in moments if moment is not None and moment > self._now]
        if self._due:
            known.append(self._due[-1].due_at)
        if self._ends:
            known.append(self._ends[0][0])
        return min(known, default=None)

    def _of_queue(self, name: str) -> QueueForecast:
        never = self._lanes[name].waiting * self._weight
        started = self._longest_wait.get(name)
        return QueueForecast(
            name=name,
            tasks=self._tasks[name] * self._weight,
            never=never,
            ends_at=None if never else self._last_end.get(name),
            longest_wait=started,
        )


def _weighted(rule: QueueRules, weight: int) -> QueueRules:
    """Return a rule for starts of which each stands for several."""
    if weight == 1:
        return rule
    rate, gap = rule.rate_limit, rule.host_gap
    if rate is not None:
        starts = max(1, round(rate.starts / weight))
        rate = RateLimit(starts, round(rate.period_ms * weight * starts / rate.starts))
    return replace(rule, rate_limit=rate, host_gap=None if gap is None else gap * weight)
