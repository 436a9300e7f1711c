"""Virtual time: what happens next, to whom, and who cannot act at this moment.

Everything is an event of an actor, a part of a node such as its pump. An actor that waits within a call, for a slow
database say, lets the others go on by ``sleep``; its own events are kept until it is back, as are those of a node
that is halted.
"""

from __future__ import annotations

import heapq
import itertools
from collections import Counter, defaultdict
from collections.abc import Callable
from typing import NamedTuple

EPOCH_MS = 1_774_745_930_000
"""The wall clock at the beginning, in UTC milliseconds: 70 s before Berlin puts its clocks forward in 2026."""

_TICK_NS = 20_000  # what an instant takes, so that no two follow each other at the same time


class Killed(BaseException):
    """The process that acts has been killed; nothing of it goes on."""


class Actor(NamedTuple):
    """A part of a process that does one thing at a time."""

    node: str
    part: str


Action = Callable[[], None]
WORLD = Actor("world", "world")


class World:
    """The clock, and the events that are to come; ``trace`` is told what happens, for those who want to read it."""

    def __init__(self, *, trace: Callable[[str], None] | None = None) -> None:
        self.now = 1_000_000_000  # nanoseconds of the one monotonic clock
        self.current = WORLD
        self.skews: dict[str, int] = {}  # by node, how far its wall clock is ahead, in milliseconds
        self.dead: set[str] = set()
        self.halted: set[str] = set()
        self._events: list[tuple[int, int, Actor, Action]] = []
        self._numbers = itertools.count()
        self._within: Counter[Actor] = Counter()
        self._kept: dict[Actor, list[Action]] = defaultdict(list)
        self._trace = trace

    # The clocks, in the form of the module ``time``.

    def monotonic(self) -> float:
        """Return seconds of the monotonic clock."""
        return self.now / 1e9

    def time_ns(self) -> int:
        """Return the wall clock of whoever acts."""
        return self.true_ms() * 1_000_000 + self.skews.get(self.current.node, 0) * 1_000_000

    def true_ms(self) -> int:
        """Return the wall clock that the database has, in UTC milliseconds."""
        return EPOCH_MS + self.now // 1_000_000

    # Events.

    def tell(self, what: str) -> None:
        """Say what happens."""
        if self._trace is not None:
            self._trace(f"{self.now / 1e9:10.4f} {self.current.node:>4}/{self.current.part:9} {what}")

    def after(self, seconds: float, actor: Actor, action: Action) -> None:
        """Let an actor do something in so many seconds, or as soon as it can then."""
        at = self.now + max(0, round(seconds * 1e9))
        heapq.heappush(self._events, (at, next(self._numbers), actor, action))

    def run_until(self, moment: int) -> None:
        """Let everything happen up to a moment of the monotonic clock, in nanoseconds."""
        while self._events and self._events[0][0] <= moment:
            at, _, actor, action = heapq.heappop(self._events)
            self.now = max(self.now, at)
            self._happen(actor, action)
        self.now = max(self.now, moment)

    def sleep(self, seconds: float) -> None:
        """Let time pass for whoever acts, while the others go on.

        Raises:
            Killed: its process was killed meanwhile.
        """
        actor = self.current
        self._within[actor] += 1
        try:
            self.run_until(self.now + round(seconds * 1e9))
            while actor.node in self.halted:
                self.run_until(self.now + 50_000_000)
        finally:
            self._within[actor] -= 1
            self.current = actor
            self._release(actor)
        self.check()

    def check(self) -> None:
        """Let nobody act who was killed.

        Raises:
            Killed: it was.
        """
        if self.current.node in self.dead:
            raise Killed

    def halt(self, node: str) -> None:
        """Stop a process where it is."""
        self.halted.add(node)

    def thaw(self, node: str) -> None:
        """Let a halted process go on."""
        self.halted.discard(node)
        for actor in [actor for actor in self._kept if actor.node == node]:
            self._release(actor)

    def kill(self, node: str) -> None:
        """End a process; what it was to do is never done."""
        self.dead.add(node)
        self.halted.discard(node)

    def _release(self, actor: Actor) -> None:
        if not self._within[actor] and actor.node not in self.halted:
            for action in self._kept.pop(actor, ()):
                self.after(0, actor, action)

    def _happen(self, actor: Actor, action: Action) -> None:
        if actor.node in self.dead:
            return
        if self._within[actor] or actor.node in self.halted:
            self._kept[actor].append(action)
            return
        before, self.current = self.current, actor
        self.now += _TICK_NS
        try:
            action()
        except Killed:
            if actor.node not in self.dead:
                raise
        finally:
            self.current = before
