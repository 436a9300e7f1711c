"""How many tasks of each kind may run on this node: in processes, in threads, in the event loop.

A claimed task is a running task. So what has no room is not claimed: while a kind is at its cap, the handlers of
that kind are left out of what is taken, and the others go on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

from queuectl.domain.task import Claimed
from queuectl.settings import Isolation

Caps = Mapping[Isolation, int]
"""By kind, how many of its tasks run at a time."""


class Kinds:
    """The caps of this node, and which handlers they are for.

    ``kind_of`` tells the kind of a claimed task, ``kinds`` that of every handler.
    """

    def __init__(
        self,
        caps: Caps,
        kind_of: Callable[[Claimed], Isolation],
        kinds: Callable[[], Mapping[str, Isolation]],
    ) -> None:
        self._caps = caps
        self._kind_of = kind_of
        self._kinds = kinds
        self._held: dict[tuple[int, int], Isolation] = {}

    def bind(self, workers: int) -> bool:
        """Tell whether any cap is below the number of workers, and so more than a repetition of it."""
        return any(cap < workers for cap in self._caps.values())

    def room(self, held: Iterable[Claimed]) -> KindRoom:
        """Return the room that is left beside the tasks that this node holds."""
        # A task's kind is looked for once, however many ticks it is held.
        known, self._held = self._held, {}
        for work in held:
            key = (work.id, work.fence)
            self._held[key] = known.get(key) or self._kind_of(work)
        at_work = Counter(self._held.values())
        left = {kind: cap - at_work[kind] for kind, cap in self._caps.items()}
        return KindRoom(left, self._kind_of, self._kinds())


class KindRoom:
    """The room of each capped kind while tasks are taken; without any cap it holds nothing back."""

    def __init__(
        self,
        left: Mapping[Isolation, int],
        kind_of: Callable[[Claimed], Isolation],
        kinds: Mapping[str, Isolation],
    ) -> None:
        self._left = dict(left)
        self._kind_of = kind_of
        self._kinds = kinds

    @property
    def full(self) -> tuple[str, ...]:
        """The handlers of which nothing more may be taken."""
        return tuple(sorted(name for name, kind in self._kinds.items() if self._left.get(kind, 1) <= 0))

    @property
    def binds(self) -> bool:
        """Whether any kind has a cap."""
        return bool(self._left)

    def fitting(self, handlers: Sequence[str]) -> int:
        """Return how many of these tasks, given by their handlers, may be taken before one has no room."""
        if not self._left:
            return len(handlers)
        wanted: Counter[Isolation] = Counter()
        for place, handler in enumerate(handlers):
            kind = self._kinds.get(handler)  # one that nobody knows ends at once
            if kind is not None:
                wanted[kind] += 1
                if wanted[kind] > self._left.get(kind, wanted[kind]):
                    return place
        return len(handlers)

    def count(self, taken: Iterable[Claimed]) -> None:
        """Take note of tasks that were taken."""
        for work in taken:
            kind = self._kind_of(work)
            if kind in self._left:
                self._left[kind] -= 1


NO_CAPS = KindRoom({}, lambda work: "thread", {})
"""The room of a node on which no kind has a cap."""
