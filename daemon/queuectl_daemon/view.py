"""What the pump remembers of the database from one tick to the next, and when it has to look again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from queuectl.clock import monotonic
from queuectl.domain.admission import QueueRules
from queuectl.domain.priority import QUEUES
from queuectl.store.tasks import START, Place
from queuectl_daemon.flights import Key
from queuectl_daemon.rest import rest_of

_MOST_GAPS = 1_000
_WITHOUT = " "  # no handler has a space in its name


@dataclass(slots=True)
class View:
    """What the pump knows of the database.

    ``waiting`` are the queues that may hold queued tasks, ``places`` how far each has been taken:
    a scan that starts there does not pass over the remains of tasks taken before. Both are only
    true until somebody else changes something, and are therefore forgotten at every look. With
    ``aging`` the queues take turns by the ranks of their tasks.

    While handlers are left out, what is taken of a queue has a place of its own, as a line of that
    queue; ``searched`` are such lines in which nothing was found.

    ``holds`` are the hosts that want to be left alone, ``blocks`` the queues whose limits let
    nothing start, ``gaps`` the hosts of which a queue may start nothing yet; each with the moment
    at which that ends, in UTC milliseconds of this machine's clock. A block without one ends when
    a run does. ``refunds`` are starts that were counted and did not happen, by the moment at which
    they were.
    """

    aging: bool = False
    rules: dict[str, QueueRules] = field(default_factory=dict)
    waiting: set[str] = field(default_factory=lambda: set(QUEUES))
    places: dict[str, Place] = field(default_factory=dict)
    searched: set[str] = field(default_factory=set)
    next_due: int | None = 0
    strangers: frozenset[Key] = frozenset()
    holds: dict[str, int] = field(default_factory=dict)
    blocks: dict[str, int | None] = field(default_factory=dict)
    gaps: dict[str, dict[str, int]] = field(default_factory=dict)
    refunds: dict[str, Counter[int]] = field(default_factory=dict)
    _former_refunds: dict[str, Counter[int]] = field(default_factory=dict)
    _rests: dict[str, float] = field(default_factory=dict)
    _late_restarts: set[str] = field(default_factory=set)

    @property
    def paused(self) -> list[str]:
        """The queues of which nothing may start."""
        return [name for name, rule in self.rules.items() if rule.paused]

    @property
    def limited(self) -> list[str]:
        """The queues whose starts depend on more than the switch; they never go through shared lists."""
        return [name for name, rule in self.rules.items() if rule.limits_starts]

    @property
    def keeps_gaps(self) -> bool:
        """Whether anybody wants to know when tasks of a host start."""
        return any(rule.host_gap is not None for rule in self.rules.values())

    def forget(self) -> None:
        """Look at every queue from its beginning again."""
        self.waiting = set(QUEUES)
        self.searched.clear()
        self._reopen_blocks(now=None, ended=True)
        for queue in QUEUES:
            self._restart(queue)

    def learn(self, rules: dict[str, QueueRules]) -> list[str]:
        """Take in what people have set; return the queues whose starts have become limited."""
        became = [
            name
            for name, rule in rules.items()
            if rule.limits_starts and not (name in self.rules and self.rules[name].limits_starts)
        ]
        if rules != self.rules:
            for memory in (self.blocks, self.gaps, self.refunds):
                memory.clear()
        self.rules = rules
        return became

    def exhaust(self, line: str) -> None:
        """Note that nothing more was found in a line, or in a whole queue."""
        if line in self.waiting:
            self.waiting.discard(line)
        else:
            self.searched.add(line)

    def scanned(self, line: str, seconds: float) -> None:
        """Note how long a scan from the beginning of a line took, which rests now."""
        self._rests[line] = monotonic() + rest_of(seconds)

    def before_tick(self) -> View:
        """Return what is still known when the tick that has begun was undone: the rules, and what is to be refunded.

        The places of tasks that were taken and the rest of what it saw are as if they had never been.
        """
        return View(self.aging, rules=self.rules, refunds=self._former_refunds)

    def reopen(self, now: int, *, ended: bool) -> None:
        """Begin a tick and drop what is over: ``ended`` says that a run has ended, which some limits wait for."""
        self._former_refunds = dict(self.refunds)
        self._reopen_blocks(now, ended=ended)
        over = [host for host, until in self.holds.items() if until <= now]
        for host in over:
            del self.holds[host]
        if over:
            self.forget()
        for queue, hosts in self.gaps.items():
            free = [host for host, until in hosts.items() if until <= now]
            for host in free:
                del hosts[host]
            if free:
                self._restart(queue)
        if ended:
            for queue, rule in self.rules.items():
                if rule.host_concurrency is not None:
                    self._restart(queue)
        for line in list(self._late_restarts):
            self._restart_line(line)

    def blocked_hosts(self, queue: str) -> set[str]:
        """Return the hosts of which a queue may start nothing yet."""
        return self.holds.keys() | self.gaps.get(queue, {}).keys()

    def keep_gap(self, queue: str, host: str, until: int) -> None:
        """Remember that a queue may start nothing of a host before a moment.

        What is not remembered is found out again, since the database has it.
        """
        hosts = self.gaps.setdefault(queue, {})
        if host in hosts or len(hosts) < _MOST_GAPS:
            hosts[host] = until

    def refund(self, queue: str, at: int) -> None:
        """Remember that a start that was counted at a moment did not happen."""
        self.refunds.setdefault(queue, Counter())[at] += 1
        self.blocks.pop(queue, None)

    def next_moment(self, now: int) -> int | None:
        """Return the next moment at which something changes by itself."""
        return min(self._moments(now), default=None)

    def _moments(self, now: int) -> Iterator[int]:
        if self.next_due is not None:
            yield self.next_due
        yield from (until for until in self.blocks.values() if until is not None)
        yield from self.holds.values()
        for hosts in self.gaps.values():
            yield from hosts.values()
        for line in self._late_restarts:
            yield now + round(max(0.0, self._rests[line] - monotonic()) * 1000)

    def _reopen_blocks(self, now: int | None, *, ended: bool) -> None:
        for queue, until in list(self.blocks.items()):
            if ended if until is None else now is not None and until <= now:
                del self.blocks[queue]
                self.waiting.add(queue)

    def _restart(self, queue: str) -> None:
        """Scan a queue and its lines from their beginning again."""
        for line in [queue, *(line for line in self.places if line.startswith(f"{queue}{_WITHOUT}"))]:
            self._restart_line(line)

    def _restart_line(self, line: str) -> None:
        """Scan a line from its beginning again, but not before the last such scan is far enough back."""
        if self.places.get(line, START) != START and monotonic() < self._rests.get(line, 0.0):
            self._late_restarts.add(line)
            return
        self._late_restarts.discard(line)
        self.places.pop(line, None)
        self.searched.discard(line)
        self.waiting.add(line.partition(_WITHOUT)[0])


def line_of(queue: str, without: Iterable[str]) -> str:
    """Return the name of a queue's line without these handlers; without none it is the queue itself."""
    return _WITHOUT.join([queue, *without])
