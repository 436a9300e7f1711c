"""What happened in a period: counts, waits and run times by queue or host, in steps; and of which rows they are sums.

Rows are kept by minute, hour and day. Minutes and hours are those of UTC, a day is one of the zone in which
people read and begins at its local midnight.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from enum import StrEnum
from typing import NamedTuple

from queuectl.domain.histogram import Histogram
from queuectl.domain.local_time import localised
from queuectl.domain.observed import COUNTED, MINUTE_MS, Seen

HOUR_MS = 3_600_000

OTHER = "(other)"
"""The name under which hosts beyond the most that are kept are counted together, and ways to fail likewise."""


class Step(StrEnum):
    """How long a row of the statistics is, the shortest first."""

    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"


class Subject(StrEnum):
    """By what is counted."""

    QUEUE = "queue"
    HOST = "host"


@dataclass(frozen=True, slots=True)
class Counts:
    """What happened to tasks.

    ``attempts`` are the runs that ended, whatever it led to; one that was ``released``, given back by a daemon
    that stops, is none. ``cancelled`` are tasks, whether they waited or ran. ``waits`` is how long runs that
    ended had waited since they could have started, ``runs`` how long they took.
    """

    submitted: int = 0
    imported: int = 0
    attempts: int = 0
    succeeded: int = 0
    retried: int = 0
    dead: int = 0
    cancelled: int = 0
    released: int = 0
    requeued: int = 0
    restored: int = 0
    waits: Histogram = field(default_factory=Histogram)
    runs: Histogram = field(default_factory=Histogram)

    @property
    def failed(self) -> int:
        """The runs that failed: those to be repeated, and those that buried their task."""
        return self.retried + self.dead

    @property
    def failure_rate(self) -> float | None:
        """The share of the runs that failed, 0 to 1; None where none ended."""
        return self.failed / self.attempts if self.attempts else None

    @property
    def ended(self) -> int:
        """The tasks that ended."""
        return self.succeeded + self.dead + self.cancelled


@dataclass(frozen=True, slots=True)
class StatisticsRow:
    """The counts of one step of a period, from ``start`` to ``end`` (UTC milliseconds).

    ``name`` is a queue or a host; None where nothing tells them apart.
    """

    start: int
    end: int
    name: str | None
    counts: Counts


@dataclass(frozen=True, slots=True)
class FailureCount:
    """How often runs of one queue failed in one way in a period.

    ``failure`` is the key, and ``cause`` the word, of the dead letters that come of it: retries that will have
    been used up are ``exhausted`` from the first.
    """

    queue: str
    failure: str
    cause: str
    shape: str
    retried: int
    dead: int

    @property
    def runs(self) -> int:
        """All the runs that failed so."""
        return self.retried + self.dead


@dataclass(frozen=True, slots=True)
class Statistics:
    """What happened from ``start`` to ``end`` (UTC milliseconds), which may be more than was asked for.

    They lie where rows begin: on whole minutes, and further in the past, where no minutes are kept, on whole hours
    and days. ``moments`` are the beginnings of all steps. ``rows`` come in the order of time and name, without
    those that count nothing; ``failures`` are those of the whole period, the most frequent first.
    """

    start: int
    end: int
    step: Step | None
    by: Subject | None
    moments: tuple[int, ...]
    rows: tuple[StatisticsRow, ...]
    failures: tuple[FailureCount, ...]

    @property
    def total(self) -> Counts:
        """All rows together."""
        return summed(row.counts for row in self.rows)

    def by_name(self) -> dict[str | None, Counts]:
        """Return the counts of each queue or host over the whole period."""
        found: dict[str | None, list[Counts]] = {}
        for row in self.rows:
            found.setdefault(row.name, []).append(row.counts)
        return {name: summed(counts) for name, counts in found.items()}


class Piece(NamedTuple):
    """Rows of one step, from the moment ``start`` to the moment ``end``."""

    step: Step
    start: int
    end: int


def summed(parts: Iterable[Counts]) -> Counts:
    """Return the sum of counts and the union of distributions."""
    total = Seen()
    for part in parts:
        for name in COUNTED:
            total.counts[name] += getattr(part, name)
        total.waits.merge(part.waits)
        total.runs.merge(part.runs)
    return counts_of(total)


def counts_of(seen: Seen) -> Counts:
    """Return what was seen as it is now."""
    return Counts(
        **{name: seen.counts[name] for name in COUNTED},
        waits=seen.waits.histogram(),
        runs=seen.runs.histogram(),
    )


def begin_of(moment: int, step: Step, zone: tzinfo) -> int:
    """Return when the minute, hour or day began in which a moment lies."""
    if step is Step.DAY:
        return _midnight(datetime.fromtimestamp(moment / 1000, zone).date(), zone)
    length = MINUTE_MS if step is Step.MINUTE else HOUR_MS
    return moment // length * length


def next_begin(moment: int, step: Step, zone: tzinfo) -> int:
    """Return when the minute, hour or day ends in which a moment lies."""
    if step is Step.DAY:
        day = datetime.fromtimestamp(moment / 1000, zone).date()
        return _midnight(day + timedelta(days=1), zone)
    return begin_of(moment, step, zone) + (MINUTE_MS if step is Step.MINUTE else HOUR_MS)


def begin_at_or_after(moment: int, step: Step, zone: tzinfo) -> int:
    """Return the first beginning of a minute, hour or day that is not before a moment."""
    begin = begin_of(moment, step, zone)
    return begin if begin == moment else next_begin(moment, step, zone)


def begins(start: int, end: int, step: Step, zone: tzinfo) -> list[int]:
    """Return the beginnings of all steps from ``start`` on and before ``end``; the first may have begun earlier."""
    found = []
    moment = begin_of(start, step, zone)
    while moment < end:
        found.append(moment)
        moment = next_begin(moment, step, zone)
    return found


def widened(
    start: int, end: int, coarsest: Step, zone: tzinfo, kept_since: Mapping[Step, int]
) -> tuple[int, int]:
    """Return the period with its ends moved outwards to where rows begin that are kept and not above ``coarsest``.

    ``kept_since`` says for each step from when on there are rows of it.
    """
    steps = [step for step in Step if list(Step).index(step) <= list(Step).index(coarsest)]

    def step_at(moment: int) -> Step:
        for step in steps:
            # Between an hour and a midnight that is no whole hour lie minutes, which are not kept there.
            torn = step is Step.HOUR and coarsest is Step.DAY and begin_of(moment, Step.DAY, zone) % HOUR_MS
            if begin_of(moment, step, zone) >= kept_since[step] and not torn:
                return step
        return coarsest

    return begin_of(start, step_at(start), zone), begin_at_or_after(end, step_at(end), zone)


def kept_step(wanted: Step, start: int, kept_since: Mapping[Step, int]) -> Step:
    """Return the finest step, not finer than the wanted one, whose rows are kept from a moment on."""
    steps = list(Step)
    return next((step for step in steps[steps.index(wanted) :] if start >= kept_since[step]), Step.DAY)


def pieces(start: int, end: int, coarsest: Step, zone: tzinfo) -> list[Piece]:
    """Return the rows of which a period is the sum: days where it has whole ones, hours and minutes at its edges.

    None is coarser than ``coarsest``.
    """
    return [piece for piece in _pieces(start, end, coarsest, zone) if piece.start < piece.end]


def _pieces(start: int, end: int, step: Step, zone: tzinfo) -> list[Piece]:
    if start >= end:
        return []
    if step is Step.MINUTE:
        return [Piece(step, start, end)]
    finer = Step.HOUR if step is Step.DAY else Step.MINUTE
    first, last = begin_at_or_after(start, step, zone), begin_of(end, step, zone)
    if first >= last:
        return _pieces(start, end, finer, zone)
    return [
        *_pieces(start, first, finer, zone),
        Piece(step, first, last),
        *_pieces(last, end, finer, zone),
    ]


def _midnight(day: date, zone: tzinfo) -> int:
    return round(localised(datetime.combine(day, time()), zone).astimezone(UTC).timestamp() * 1000)
