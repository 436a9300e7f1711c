"""How well the system is, from 100 down to 0: what is wrong takes points away, each for a reason that can be read.

A check has a value, and two limits from which on it is a warning and critical. At the first limit it costs two
fifths of the most points that it can cost, at the second all of them, and in proportion between. The score is 100
less all points, and never below 0; how bad things are together is how bad the worst check is.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from shlex import quote

from queuectl.domain.article_delivery import DeliveryCounts
from queuectl.domain.sentence import Duration, Sentence, Word, say
from queuectl.domain.status import DEAD_LETTERS_COUNTED, RealtimeStatus

FEWEST_RUNS = 10
"""Fewer runs of the last 15 minutes say nothing about the share of those that fail."""

_AT_WARNING = 0.4
_CRITICAL_TIMES = 4
_CRITICAL_LETTERS = 10
_FULL_SHARE = 1.0


class Level(StrEnum):
    """How bad a thing is."""

    OK = "ok"
    WARNING = "warning"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True)
class Limits:
    """From when on something is a warning; durations are milliseconds, the rest of the disk bytes.

    Waits, lags and the share of failed runs are critical from 4 times as much on, dead letters from 10 times,
    and the disk below a quarter.
    """

    wait_ms: int = 600_000
    failure_rate: float = 0.1
    dead_letters: int = 100
    schedule_lag_ms: int = 60_000
    disk_free: int = 1024 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Disk:
    """The free bytes of the disk below a folder."""

    folder: str
    free: int


@dataclass(frozen=True, slots=True)
class Lag:
    """The schedule whose next tick is overdue for the longest time, and for how many milliseconds."""

    schedule: str
    ms: int


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What is measured for the health beside the status: disks, and how late schedules are.

    ``database_ms`` is how long the database took to answer. ``deliveries`` is None where no webhook is told of
    articles.
    """

    disks: tuple[Disk, ...] = ()
    lag: Lag | None = None
    database_ms: float | None = None
    deliveries: DeliveryCounts | None = None


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """One thing that was looked at, and the points that it costs of the ``most`` that it can.

    ``value`` is what was measured, in ``unit``; ``warning`` and ``critical`` are the limits. ``said`` says it
    in words, ``mend`` is the command to type.
    """

    name: str
    level: Level
    points: int
    most: int
    said: Sentence
    value: float | None = None
    unit: str | None = None
    warning: float | None = None
    critical: float | None = None
    mend: str | None = None

    @property
    def detail(self) -> str:
        """What was found, in English."""
        return str(self.said)


@dataclass(frozen=True, slots=True)
class Health:
    """The health at the moment ``at`` (UTC milliseconds)."""

    at: int
    checks: tuple[HealthCheck, ...] = field(default=())

    @property
    def score(self) -> int:
        """100 less the points of all checks, at least 0."""
        return max(0, 100 - sum(check.points for check in self.checks))

    @property
    def level(self) -> Level:
        """The level of the worst check."""
        levels = {check.level for check in self.checks}
        return next((each for each in (Level.CRITICAL, Level.WARNING) if each in levels), Level.OK)

    @property
    def penalties(self) -> tuple[HealthCheck, ...]:
        """The checks that cost points, the dearest first."""
        return tuple(sorted((each for each in self.checks if each.points), key=lambda each: -each.points))


def assess(status: RealtimeStatus, around: Surroundings, limits: Limits) -> Health:
    """Return how well the system is by what was measured of it."""
    checks = (
        _database(around),
        _transport(status),
        _daemons(status),
        _roles(status),
        _backlog(status, limits),
        _failures(status, limits),
        _dead_letters(status, limits),
        _schedules(status, around, limits),
        _full_queues(status),
        *_deliveries(status, around, limits),
        *_disks(around, limits),
    )
    return Health(status.at, checks)


def unreachable(at: int, trouble: str, mend: str | None) -> Health:
    """Return the health of a system whose database does not answer: nothing else can be told."""
    said = say("health.unreachable", trouble=trouble)
    return Health(at, (HealthCheck("database", Level.CRITICAL, 100, 100, said, mend=mend),))


def _database(around: Surroundings) -> HealthCheck:
    took = around.database_ms
    said = say("health.answers") if took is None else say("health.answers_in", time=f"{took:.1f}")
    return HealthCheck("database", Level.OK, 0, 100, said, value=took, unit="ms")


def _transport(status: RealtimeStatus) -> HealthCheck:
    alive = [node for node in status.nodes if node.alive]
    down = sum(not node.transport_up for node in alive)
    if down:
        said = say("health.redis_away", n=down)
        return HealthCheck(
            "transport", Level.CRITICAL, 25, 25, said, down, "daemons", 1, 1, "queuectl doctor"
        )
    key = "health.transport" if alive else "health.transport_unused"
    said = say(key, transport=Word("transport", status.transport))
    return HealthCheck("transport", Level.OK, 0, 25, said, 0, "daemons", 1, 1)


def _daemons(status: RealtimeStatus) -> HealthCheck:
    alive = [node for node in status.nodes if node.alive]
    silent = [node for node in status.nodes if not node.alive]
    limits = (float(len(alive)), "daemons")
    if not alive:
        waiting = sum(queue.waiting for queue in status.queues)
        said = say("health.no_daemon_for", n=waiting) if waiting else say("health.no_daemon")
        level, points = (Level.CRITICAL, 50) if waiting else (Level.WARNING, 20)
        return HealthCheck("daemon", level, points, 50, said, *limits, mend="queuectl daemon start")
    if silent:
        node = silent[0]
        since = Duration(status.at - node.heartbeat_at)
        said = say("health.silent", host=node.host, pid=str(node.pid), time=since)
        return HealthCheck("daemon", Level.WARNING, 20, 50, said, *limits, mend="queuectl doctor")
    return HealthCheck("daemon", Level.OK, 0, 50, say("health.daemons", n=len(alive)), *limits)


def _roles(status: RealtimeStatus) -> HealthCheck:
    """Whether the daemons that run do all that has to be done, or each of them the same half."""
    missing = status.missing_role
    limits = (0.0 if missing is None else 1.0, "roles", 1.0, 1.0)
    if missing is None:
        return HealthCheck("roles", Level.OK, 0, 50, say("health.roles"), *limits)
    mend = f"queuectl daemon start --role {missing}"
    if missing == "scheduler":
        return HealthCheck("roles", Level.WARNING, 20, 50, say("health.no_scheduler"), *limits, mend=mend)
    waiting = sum(queue.waiting for queue in status.queues)
    said = say("health.no_worker_for", n=waiting) if waiting else say("health.no_worker")
    level, points = (Level.CRITICAL, 50) if waiting else (Level.WARNING, 20)
    return HealthCheck("roles", level, points, 50, said, *limits, mend=mend)


def _backlog(status: RealtimeStatus, limits: Limits) -> HealthCheck:
    """The longest wait of a task that is due, in queues that a person has not paused."""
    queues = [each for each in status.queues if not each.paused and each.oldest_wait_ms is not None]
    worst = max(queues, key=lambda each: each.oldest_wait_ms or 0, default=None)
    value = 0 if worst is None else worst.oldest_wait_ms or 0
    said = say("health.no_wait")
    mend: str | None = None
    if worst is not None:
        name = worst.name.removesuffix("_priority")
        said = say("health.longest_wait", queue=Word("queue", name), time=Duration(value))
        if worst.block is not None:
            mend = f"queuectl queue show {name}"
        else:
            workers = sum(node.workers for node in status.nodes if node.alive)
            start = "queuectl daemon start" + (" --role worker" if status.missing_role else "")
            mend = f"queuectl daemon scale {workers * 2}" if workers else start
    return _judged("backlog", 25, value, "ms", limits.wait_ms, limits.wait_ms * _CRITICAL_TIMES, said, mend)


def _failures(status: RealtimeStatus, limits: Limits) -> HealthCheck:
    runs = sum(queue.recent.attempts for queue in status.queues)
    failed = sum(queue.recent.failed for queue in status.queues)
    rate = failed / runs if runs else 0.0
    counted = rate if runs >= FEWEST_RUNS else 0.0
    judged = say("health.too_few") if counted != rate else ""
    said = say("health.failures", failed=failed, n=runs, judged=judged) if runs else say("health.no_runs")
    mend = "queuectl dead list --group" if status.dead_letters else "queuectl list --state retrying"
    most = min(1.0, limits.failure_rate * _CRITICAL_TIMES)
    return _judged("failures", 25, counted, "share", limits.failure_rate, most, said, mend)


def _dead_letters(status: RealtimeStatus, limits: Limits) -> HealthCheck:
    number = min(status.dead_letters, DEAD_LETTERS_COUNTED)
    key = "health.many_letters" if status.dead_letters > DEAD_LETTERS_COUNTED else "health.letters"
    said = say(key, n=number) if number else say("health.no_letters")
    most = min(limits.dead_letters * _CRITICAL_LETTERS, DEAD_LETTERS_COUNTED)
    mend = "queuectl dead list --group"
    return _judged("dead letters", 15, number, "dead letters", limits.dead_letters, most, said, mend)


def _schedules(status: RealtimeStatus, around: Surroundings, limits: Limits) -> HealthCheck:
    lag = around.lag
    warning, critical = limits.schedule_lag_ms, limits.schedule_lag_ms * _CRITICAL_TIMES
    if (lag is None or lag.ms < warning) and status.schedule_problems:
        first = status.schedule_problems[0]
        more = len(status.schedule_problems) - 1
        others = say("health.more", n=more) if more else ""
        said = say("health.schedule_problem", name=first.name, problem=first.problem, more=others)
        value = 0 if lag is None else lag.ms
        return HealthCheck(
            "schedules", Level.WARNING, 6, 15, said, value, "ms", warning, critical, _show(first.name)
        )
    said = say("health.in_time")
    if lag is not None and lag.ms:
        said = say("health.late", name=lag.schedule, time=Duration(lag.ms))
    mend = None if lag is None else _show(lag.schedule)
    return _judged("schedules", 15, 0 if lag is None else lag.ms, "ms", warning, critical, said, mend)


def _show(schedule: str) -> str:
    return f"queuectl schedule show {quote(schedule)}"


def _full_queues(status: RealtimeStatus) -> HealthCheck:
    """How full the fullest queue with a limit is; a full one refuses what is submitted."""
    limited = [queue for queue in status.queues if queue.max_size]
    fullest = max(limited, key=lambda each: each.filled or 0, default=None)
    share = 0.0 if fullest is None else fullest.filled or 0.0
    if fullest is None:
        return HealthCheck("room", Level.OK, 0, 15, say("health.no_size"), 0, "share", 0.9, _FULL_SHARE)
    name = fullest.name.removesuffix("_priority")
    said = say("health.filled", queue=Word("queue", name), share=f"{share:.0%}", size=fullest.max_size or 0)
    mend = f"queuectl queue set {name} max_size={(fullest.max_size or 0) * 2}"
    return _judged("room", 15, share, "share", 0.9, _FULL_SHARE, said, mend)


def _deliveries(status: RealtimeStatus, around: Surroundings, limits: Limits) -> Iterable[HealthCheck]:
    """The articles that the webhook has not got: given up, or tried in vain for as long as a task may wait."""
    counts = around.deliveries
    if counts is None:
        return
    late = counts.failing_since is not None and status.at - counts.failing_since >= limits.wait_ms
    number = counts.given_up + (counts.failing if late else 0)
    failed = counts.failing or counts.given_up
    said = say(
        "health.deliveries",
        n=counts.waiting,
        failed=say("health.failed_deliveries", failing=counts.failing, lost=counts.given_up)
        if failed
        else "",
    )
    level, points = (Level.WARNING, 10) if number else (Level.OK, 0)
    mend = "queuectl articles deliveries" if number else None
    yield HealthCheck("webhook", level, points, 10, said, number, "articles", 1, None, mend)


def _disks(around: Surroundings, limits: Limits) -> Iterable[HealthCheck]:
    for disk in around.disks:
        critical = limits.disk_free // _CRITICAL_TIMES
        said = say("health.disk", free=f"{disk.free / 1024**3:.1f}", folder=disk.folder)
        if disk.free >= limits.disk_free:
            level, points = Level.OK, 0
        elif disk.free >= critical:
            short = (limits.disk_free - disk.free) / max(1, limits.disk_free - critical)
            level, points = Level.WARNING, _points(30, short)
        else:
            level, points = Level.CRITICAL, 30
        mend = None if level is Level.OK else "queuectl cleanup --days 30"
        yield HealthCheck(
            "disk", level, points, 30, said, disk.free, "bytes", limits.disk_free, critical, mend
        )


def _judged(
    name: str,
    most: int,
    value: float,
    unit: str,
    warning: float,
    critical: float,
    said: Sentence,
    mend: str | None,
) -> HealthCheck:
    """Return a check of a value that is better when it is small."""
    if value < warning or not value:
        return HealthCheck(name, Level.OK, 0, most, said, value, unit, warning, critical)
    if value >= critical:
        return HealthCheck(name, Level.CRITICAL, most, most, said, value, unit, warning, critical, mend)
    points = _points(most, (value - warning) / (critical - warning))
    return HealthCheck(name, Level.WARNING, points, most, said, value, unit, warning, critical, mend)


def _points(most: int, way: float) -> int:
    """Return the points on the way from the first limit (0) to the second (1)."""
    return max(1, round(most * (_AT_WARNING + (1 - _AT_WARNING) * way)))
