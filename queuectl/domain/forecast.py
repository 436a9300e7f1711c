"""What a forecast starts from and what it says: when tasks would start, and when queues would be done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from queuectl.domain.admission import HostUse, QueueRules


@dataclass(frozen=True, slots=True)
class Waiting:
    """A task that has not started; it may from ``due_at`` on. ``took`` is its run time, if that is given."""

    id: int
    queue: str
    host: str
    handler: str
    rank: int
    due_at: int
    took: int | None = None


@dataclass(frozen=True, slots=True)
class AtWork:
    """A task that runs since ``started_at``."""

    id: int
    queue: str
    host: str
    handler: str
    started_at: int


@dataclass(frozen=True, slots=True)
class Situation:
    """Everything that decides what starts when, at the moment ``now``; ``rules`` are in the order of service.

    ``starts`` are the moments of a queue's recent starts, ``hosts`` what is known of hosts, ``caps`` how many
    tasks of a kind of work may run at a time, if fewer than there are workers, ``kinds`` the kind by handler. With
    ``aging`` the ranks decide between queues. Each waiting task stands for ``weight`` tasks that
    follow each other, where there are too many to follow every one.
    """

    now: int
    rules: Mapping[str, QueueRules]
    waiting: Sequence[Waiting]
    at_work: Sequence[AtWork] = ()
    starts: Mapping[str, Sequence[int]] = field(default_factory=dict)
    hosts: Mapping[str, HostUse] = field(default_factory=dict)
    kinds: Mapping[str, str] = field(default_factory=dict)
    caps: Mapping[str, int] = field(default_factory=dict)
    workers: int = 1
    aging: bool = False
    weight: int = 1


@dataclass(frozen=True, slots=True)
class QueueForecast:
    """When the last of a queue's tasks ends; None if there are none, or some never start.

    ``tasks`` wait or run now, ``never`` of them start at no time that can be known. ``longest_wait``
    is the longest time in milliseconds between a task's due time and its start.
    """

    name: str
    tasks: int
    never: int
    ends_at: int | None
    longest_wait: int | None


@dataclass(frozen=True, slots=True)
class Forecast:
    """What would happen if nothing else were submitted; times are UTC milliseconds."""

    queues: tuple[QueueForecast, ...]
    starts: Mapping[int, int]

    @property
    def ends_at(self) -> int | None:
        """When the whole backlog is done; None if there is none, or a part of it never starts."""
        ends = [queue.ends_at for queue in self.queues if queue.tasks]
        known = [end for end in ends if end is not None]
        return max(known) if known and len(known) == len(ends) else None

    def start_of(self, task: int) -> int | None:
        """Return when a task would start; None if it never does, or is none of those that wait."""
        return self.starts.get(task)
