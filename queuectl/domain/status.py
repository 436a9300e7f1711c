"""The state of the whole system at one moment, as the monitor reports it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from queuectl.domain.admission import Block
from queuectl.domain.lifecycle import State
from queuectl.domain.rate import RateLimit
from queuectl.domain.schedule import ScheduleProblem
from queuectl.domain.task import Task

DEAD_LETTERS_COUNTED = 10_000
"""A status counts no more dead letters than this."""


@dataclass(frozen=True, slots=True)
class QueueStatus:
    """One queue's counts by state, and its limits as ``QueueRules`` has them.

    ``oldest_wait_ms`` is the longest time for which a queued task has been due, ``block`` what keeps
    all of the queue's tasks from starting now.
    """

    name: str
    paused: bool
    scheduled: int = 0
    queued: int = 0
    dispatched: int = 0
    running: int = 0
    retrying: int = 0
    succeeded: int = 0
    dead: int = 0
    cancelled: int = 0
    oldest_wait_ms: int | None = None
    max_size: int | None = None
    rate_limit: RateLimit | None = None
    concurrency: int | None = None
    host_gap: float | None = None
    host_concurrency: int | None = None
    task_timeout: float | None = None
    memory_limit: int | None = None
    max_retries: int | None = None
    retry_backoff: float | None = None
    block: Block | None = None

    @property
    def waiting(self) -> int:
        """The number of tasks that are not at work and not for later."""
        return self.queued + self.dispatched + self.retrying


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """One daemon; ``per_minute`` is the rate of finished runs over the last minute.

    ``kinds`` says where each handler runs: ``process``, ``thread`` or ``async``.
    """

    id: str
    host: str
    pid: int
    version: str
    started_at: int
    heartbeat_at: int
    workers: int
    running: int
    transport: str
    transport_up: bool
    per_minute: float
    alive: bool
    kinds: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RunningTask:
    """A task at work, with what its handler last said of its progress (0 to 1)."""

    task: Task
    elapsed_ms: int
    fraction: float | None
    note: str | None


@dataclass(frozen=True, slots=True)
class EndedRun:
    """A task that ended at the moment ``at``, or whose run failed then and is to be repeated.

    ``state`` is what it became then; ``error`` is why, where it did not succeed.
    """

    task: Task
    at: int
    state: State
    error: str | None


@dataclass(frozen=True, slots=True)
class RealtimeStatus:
    """Queues, daemons and services at the moment ``at`` (UTC milliseconds), and up to ten schedules with a problem.

    ``dead_letters`` are those that have not been resurrected, counted until there is
    one more than ``DEAD_LETTERS_COUNTED``.
    """

    at: int
    queues: tuple[QueueStatus, ...]
    nodes: tuple[NodeStatus, ...]
    database: str
    transport: str
    dead_letters: int = 0
    schedule_problems: tuple[ScheduleProblem, ...] = ()
