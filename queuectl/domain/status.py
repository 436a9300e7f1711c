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


RECENT_MS = 15 * 60_000
"""What happened lately is what happened in the last 15 minutes; the first of them is the one that has begun."""


@dataclass(frozen=True, slots=True)
class Recent:
    """The runs of a queue that ended lately, how many of them failed, and how many ended their task.

    ``span_ms`` is the time since the first minute in which one of them ended.
    """

    attempts: int = 0
    failed: int = 0
    ended: int = 0
    span_ms: int = RECENT_MS

    @property
    def failure_rate(self) -> float | None:
        """The share of the runs that failed, 0 to 1; None where none ended."""
        return self.failed / self.attempts if self.attempts else None


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
    recent: Recent = Recent()

    @property
    def filled(self) -> float | None:
        """How full the queue is, 0 to 1, by what neither has ended nor runs; None without a ``max_size``."""
        held = self.scheduled + self.queued + self.dispatched + self.retrying
        return held / self.max_size if self.max_size else None

    @property
    def drained_in_ms(self) -> int | None:
        """When what waits has ended, if it goes on as lately; None if nothing ended, waits, or may start."""
        if self.paused or not self.recent.ended or not self.waiting:
            return None
        return round(self.waiting * self.recent.span_ms / self.recent.ended)

    @property
    def waiting(self) -> int:
        """The number of tasks that are not at work and not for later."""
        return self.queued + self.dispatched + self.retrying


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """One daemon; ``per_minute`` is the rate of finished runs over the last minute.

    ``kinds`` says where each handler runs: ``process``, ``thread`` or ``async``. ``role`` is ``all``, ``worker``, which
    only runs tasks, or ``scheduler``, which runs none.
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
    role: str = "all"


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


PACE_RUNS = 1_000
PACE_MS = 15 * 60_000
"""The pace is told by the last runs: at most so many, of at most so many milliseconds."""


@dataclass(frozen=True, slots=True)
class Pace:
    """The last runs: how many, how many of them failed, how many ended their tasks, and in how many milliseconds.

    ``runs_of_15`` are all runs of about the last 15 minutes, where there were more than are looked at: of
    ``minutes_of_15`` minutes, since the statistics begin with a whole one.
    """

    runs: int
    failed: int
    ended: int
    last_minute: int
    span_ms: int
    runs_of_15: int | None = None
    minutes_of_15: float = 15.0

    @property
    def is_whole(self) -> bool:
        """Whether these are all runs of the last 15 minutes."""
        return self.runs < PACE_RUNS

    @property
    def per_minute(self) -> float:
        """Runs a minute: over the last one, or over less where there were so many."""
        if self.is_whole or self.span_ms >= 60_000:
            return self.last_minute
        return self.runs * 60_000 / max(1, self.span_ms)

    @property
    def per_minute_of_15(self) -> float | None:
        """Runs a minute over the last 15 minutes; None where it is not known."""
        if self.is_whole:
            return self.runs / 15
        return None if self.runs_of_15 is None else self.runs_of_15 / self.minutes_of_15

    @property
    def failed_share(self) -> float:
        """The part of these runs that failed, from 0 to 1."""
        return self.failed / self.runs if self.runs else 0.0

    def drained_in_ms(self, waiting: int) -> int | None:
        """Return when so many tasks have ended at the pace of the last minute; None if nothing goes on."""
        ending = self.per_minute * self.ended / self.runs if self.runs else 0.0
        return round(waiting * 60_000 / ending) if ending and waiting else None


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
    pace: Pace = Pace(0, 0, 0, 0, 0)
    schedule_problems: tuple[ScheduleProblem, ...] = ()

    @property
    def missing_role(self) -> str | None:
        """The role that daemons run without: ``worker`` if none runs tasks, ``scheduler`` if none does the rest."""
        roles = {node.role for node in self.nodes if node.alive}
        if not roles or "all" in roles:
            return None
        return next((role for role in ("worker", "scheduler") if role not in roles), None)

    @property
    def startable(self) -> int:
        """The number of tasks that wait in queues that are not paused."""
        return sum(queue.waiting for queue in self.queues if not queue.paused)
