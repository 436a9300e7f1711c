"""The statistics: read for a period, and added up from what transactions have left of their moves.

Nobody is in charge of adding up. The daemons do it every few seconds, whoever reads much that is left does it
first, and two never do it at once.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Sequence
from datetime import datetime, tzinfo

from queuectl.domain.observed import MINUTE_MS, Observed, Seen
from queuectl.domain.statistics import (
    FailureCount,
    Statistics,
    StatisticsRow,
    Step,
    Subject,
    begins,
    counts_of,
    kept_step,
    pieces,
    widened,
)
from queuectl.errors import InvalidInputError
from queuectl.operations.adding_up import add_up, failure_of
from queuectl.settings import Settings
from queuectl.store import observations, statistics
from queuectl.store.database import Database, Transaction
from queuectl.store.statistics import Failed, Named, NamedFailure
from queuectl.times import zone_named

_MOST_LEFT = 5_000
"""So many transactions may be left to be added up while somebody reads."""

_MOST_STEPS = 20_000

_EARLIEST, _LATEST = 0, 253_000_000_000_000
"""From 1970 to the year 9987: further on, days cannot be told apart by a calendar any more."""


def read_statistics(
    database: Database,
    settings: Settings,
    start: datetime | int,
    end: datetime | int,
    *,
    step: Step | str | None = None,
    by: Subject | str | None = None,
) -> Statistics:
    """Return what happened from ``start`` to ``end``: moments with a zone, or UTC milliseconds.

    ``step`` is how the period is divided: minute, hour or day, or not at all. It becomes a coarser one where the
    period begins before such rows are kept. ``by`` tells queues or hosts apart. What has been committed at
    this moment is in it.

    Raises:
        InvalidInputError: the period ends before it begins, has too many steps, or a word is none of these.
    """
    zone = zone_named(settings.timezone)
    wanted, subject = _step(step), _subject(by)
    first, last = _moment(start), _moment(end)
    if first < _EARLIEST or last > _LATEST:
        raise InvalidInputError(
            "the period reaches beyond the years that there are statistics of",
            hint="give a nearer start and end",
        )
    if first >= last:
        raise InvalidInputError(
            "the period ends before it begins", hint="give a start that is before the end"
        )
    _add_up_much(database, settings)
    with database.reading() as transaction:
        kept = statistics.progress(transaction).kept_since
        if wanted is not None:
            wanted = kept_step(wanted, first, kept)
        first, last = widened(first, last, wanted or Step.DAY, zone, kept)
        moments = _moments(first, last, wanted, zone)
        parts = pieces(first, last, wanted or Step.DAY, zone)
        left = _left(transaction)
        named = statistics.read(transaction, subject or Subject.QUEUE, parts)
        failed = statistics.read_failures(transaction, parts)
    named += _named(left, subject or Subject.QUEUE)
    rows = _rows(named, moments, last, told_apart=subject is not None)
    return Statistics(
        first,
        last,
        wanted,
        subject,
        tuple(moments),
        tuple(rows),
        tuple(_failures([*failed, *_named_failures(left, first, last)])),
    )


def _left(transaction: Transaction) -> Observed:
    """Return what is not added up yet."""
    left = Observed()
    for each in observations.first(transaction, 10 * _MOST_LEFT):
        left.merge_text(each.content)
    return left


def _add_up_much(database: Database, settings: Settings) -> None:
    """Add up first where so much is left, for want of a daemon, that reading it would take long."""
    with database.reading() as transaction:
        much = observations.count(transaction, _MOST_LEFT + 1) > _MOST_LEFT
    while much and add_up(database, settings):
        with database.reading() as transaction:
            much = observations.count(transaction, _MOST_LEFT + 1) > _MOST_LEFT


def _named(left: Observed, subject: Subject) -> list[Named]:
    return [
        Named(minute * MINUTE_MS, queue if subject is Subject.QUEUE else host, seen)
        for (minute, queue, host), seen in left.seen.items()
    ]


def _named_failures(left: Observed, start: int, end: int) -> Iterable[NamedFailure]:
    for (minute, queue, cause, line), (retried, dead) in left.failures.items():
        if start <= minute * MINUTE_MS < end:
            failure, shape = failure_of(cause, line)
            yield NamedFailure(queue, failure, Failed(cause, shape, retried, dead))


def _moments(start: int, end: int, step: Step | None, zone: tzinfo) -> list[int]:
    if step is None:
        return [start]
    shortest = {Step.MINUTE: 60_000, Step.HOUR: 3_600_000, Step.DAY: 82_000_000}[step]
    if (end - start) / shortest > _MOST_STEPS:
        raise InvalidInputError(
            f"the period has more than {_MOST_STEPS} {step.value}s", hint="ask for longer steps"
        )
    found = begins(start, end, step, zone)
    return [max(start, found[0]), *found[1:]]


def _rows(
    named: Sequence[Named], moments: Sequence[int], end: int, *, told_apart: bool
) -> Iterable[StatisticsRow]:
    found: dict[tuple[int, str], Seen] = {}
    for each in named:
        if moments[0] <= each.start < end:
            key = (bisect.bisect_right(moments, each.start) - 1, each.name if told_apart else "")
            if key in found:
                found[key].merge(each.seen)
            else:
                found[key] = each.seen
    ends = [*moments[1:], end]
    for (place, name), seen in sorted(found.items(), key=lambda item: item[0]):
        yield StatisticsRow(moments[place], ends[place], name if told_apart else None, counts_of(seen))


def _failures(found: Iterable[NamedFailure]) -> list[FailureCount]:
    sums: dict[tuple[str, str], Failed] = {}
    for queue, failure, failed in found:
        kind = sums.setdefault((queue, failure), Failed(failed.cause, failed.shape))
        kind.retried += failed.retried
        kind.dead += failed.dead
    counts = [
        FailureCount(queue, failure, each.cause, each.shape, each.retried, each.dead)
        for (queue, failure), each in sums.items()
    ]
    return sorted(counts, key=lambda each: (-each.runs, each.queue, each.failure))


def _moment(value: datetime | int) -> int:
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise InvalidInputError(
                "a moment without a time zone is none", hint="give the datetime a tzinfo, such as UTC"
            )
        return round(value.timestamp() * 1000)
    return value


def _step(value: Step | str | None) -> Step | None:
    try:
        return None if value is None else Step(value)
    except ValueError as error:
        raise InvalidInputError(
            f"{value!r:.40} is no step of the statistics", hint="use minute, hour or day"
        ) from error


def _subject(value: Subject | str | None) -> Subject | None:
    try:
        return None if value is None else Subject(value)
    except ValueError as error:
        raise InvalidInputError(
            f"the statistics are not kept by {value!r:.40}", hint="use queue or host"
        ) from error
