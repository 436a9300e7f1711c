"""What wakes a thread of a node in virtual time: a bell that leads to its next step, and timers for its chores."""

from __future__ import annotations

import random
from collections.abc import Callable

from tests.simulation.world import Action, Actor, World

_RARER = {"statistics": 6}
_SOON_SECONDS = 0.004


class Bell:
    """An event of a loop: when it rings the loop's next step is soon, otherwise after the pause that was asked for."""

    def __init__(self, world: World, actor: Actor, step: Action) -> None:
        self._world = world
        self._actor = actor
        self._step = step
        self._is_set = False
        self._at: int | None = None
        self._turn = 0
        self._is_busy = False
        self.asked: float | None = None

    def set(self) -> None:
        """Ring."""
        self._is_set = True
        if not self._is_busy:  # while a step is made, the next one is planned at its end
            self._plan(_SOON_SECONDS)

    ring = set

    def clear(self) -> None:
        """Forget that it rang."""
        self._is_set = False

    def is_set(self) -> bool:
        """Tell whether it has rung."""
        return self._is_set

    def wait(self, timeout: float | None = None) -> bool:
        """Ask that the next step be made after a pause."""
        self.asked = timeout
        return self._is_set

    def again(self, seconds: float) -> None:
        """Plan the next step, at the end of one."""
        self._is_busy = False
        self._plan(_SOON_SECONDS if self._is_set else seconds)

    def _plan(self, seconds: float) -> None:
        at = self._world.now + round(seconds * 1e9)
        if self._at is not None and self._at <= at:
            return
        self._at = at
        self._turn += 1
        turn = self._turn
        self._world.after(seconds, self._actor, lambda: self._happen(turn))

    def _happen(self, turn: int) -> None:
        if turn == self._turn:
            self._at = None
            self._is_busy = True
            self._is_set = False
            self.asked = None
            self._step()


class Ticker:
    """The chores' bell: intervals and moments, without threads and with a little chance."""

    def __init__(self, world: World, node: str, chance: random.Random) -> None:
        self._world = world
        self._node = node
        self._chance = chance
        self._turns: dict[str, int] = {}
        self._planned: list[Callable[[], None]] = []
        self._running = False

    def every(self, seconds: float, name: str, work: Callable[[], object], *, at_once: bool = False) -> None:
        """Call ``work`` every ``seconds``; sums of statistics, which cost the most by far, less often."""
        seconds *= _RARER.get(name, 1)

        def ring() -> None:
            if self._running:
                self._world.after(seconds * self._chance.uniform(1.0, 1.1), Actor(self._node, name), ring)
                self._call(work)

        first = 0.01 if at_once else seconds * self._chance.uniform(0.1, 1.0)
        self._plan(lambda: self._world.after(first, Actor(self._node, name), ring))

    def at(self, moment: int, name: str, work: Callable[[], None]) -> None:
        """Call ``work`` at a moment of the node's wall clock; an earlier call for the same name is replaced."""
        turn = self._turns[name] = self._turns.get(name, 0) + 1
        wait = (moment - self._world.time_ns() // 1_000_000) / 1000

        def ring() -> None:
            if self._running and self._turns[name] == turn:
                self._call(work)

        self._world.after(wait, Actor(self._node, name), ring)

    def start(self) -> None:
        """Begin to ring."""
        self._running = True
        for plan in self._planned:
            plan()

    def stop(self) -> None:
        """Ring no more."""
        self._running = False

    def keep_time(self) -> bool:
        """Intervals do not go by the wall clock here."""
        return False

    def _plan(self, plan: Callable[[], None]) -> None:
        if self._running:
            plan()
        else:
            self._planned.append(plan)

    def _call(self, work: Callable[[], object]) -> None:
        """A failure ends this call and no later one, as in the real bell."""
        try:
            work()
        except Exception as error:  # noqa: BLE001  whatever it is, the next call comes
            self._world.tell(f"a chore failed: {error}")
