"""What a window optimisation was asked for and what came of it, as it is shown and returned."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Window:
    """When tasks may start: from ``start`` up to before ``end`` (UTC milliseconds), so many in any hour."""

    start: int
    end: int
    max_per_hour: int


@dataclass(frozen=True, slots=True)
class NewTime:
    """A task with the time that it had and the one that it gets; equal if it keeps its time."""

    id: int
    url: str
    queue: str
    priority_score: int
    state: str
    before: int
    after: int

    @property
    def moved(self) -> bool:
        """Whether the task gets another time."""
        return self.before != self.after


@dataclass(frozen=True, slots=True)
class Optimisation:
    """A plan, the earliest task first.

    ``counted`` are the other starts that were counted with it, ``uncounted`` the queued tasks that
    start when there is room and have no time to count. ``clipped`` says that the part of the
    window that has passed was not used, ``applied`` that the times are stored.
    """

    window: Window
    times: tuple[NewTime, ...]
    counted: int
    uncounted: int
    clipped: bool
    applied: bool

    @property
    def moved(self) -> int:
        """How many tasks get another time."""
        return sum(each.moved for each in self.times)
