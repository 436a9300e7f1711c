"""The period of a report: whole days of a time zone, or from one moment to another."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Literal

from queuectl.domain.local_time import localised
from queuectl.errors import InvalidInputError

PeriodKind = Literal["daily", "weekly", "monthly", "custom"]

HOUR_MS = 3_600_000
MINUTE_MS = 60_000
_DAY_MS = 24 * HOUR_MS
_WEEK = timedelta(days=7)
HOURLY_UP_TO_MS = 3 * _DAY_MS + HOUR_MS
"""A period of up to three days, of which one may have 25 hours, is shown by the hour."""

_DAILY_UP_TO_MS = 100 * _DAY_MS + HOUR_MS
_LONGEST = timedelta(days=3660)


@dataclass(frozen=True, slots=True)
class Period:
    """From ``begin`` up to, and without, ``end``; ``until`` is how far it had come, all in UTC milliseconds.

    ``until`` is the end of a period that is over; of one that is not, the beginning of the present minute.
    """

    kind: PeriodKind
    begin: int
    end: int
    until: int

    @property
    def is_over(self) -> bool:
        """Whether nothing more can happen in it."""
        return self.until >= self.end

    @property
    def length(self) -> int:
        """How many milliseconds of it have passed."""
        return self.until - self.begin


@dataclass(frozen=True, slots=True)
class Span:
    """A part of a period, for one place on the axis of a chart; UTC milliseconds."""

    begin: int
    end: int


def day_of(day: date | datetime, zone: tzinfo, now: int) -> Period:
    """Return one day of a zone; a moment means the day in which it lies there.

    Raises:
        InvalidInputError: it is still to come, or beyond the calendar.
    """
    with _calendar():
        first = _day_in(day, zone)
        return _of_days("daily", first, first + timedelta(days=1), zone, now)


def week_to(last: date | datetime, zone: tzinfo, now: int) -> Period:
    """Return the seven days that end with ``last``; a moment means the day in which it lies in the zone.

    Raises:
        InvalidInputError: it is still to come, or beyond the calendar.
    """
    with _calendar():
        behind = _day_in(last, zone) + timedelta(days=1)
        return _of_days("weekly", behind - _WEEK, behind, zone, now)


def month_of(year: int, month: int, zone: tzinfo, now: int) -> Period:
    """Return one month of a calendar.

    Raises:
        InvalidInputError: there is none such, or it is still to come.
    """
    if not 1 <= month <= 12:
        raise InvalidInputError(f"there is no month {month}", hint="months go from 1 to 12")
    _check_year(year)
    first = date(year, month, 1)
    return _of_days("monthly", first, _month_after(first), zone, now)


def between(start: date | datetime, end: date | datetime, zone: tzinfo, now: int) -> Period:
    """Return what lies between two days, both included, or between two moments.

    A moment without a zone is read in ``zone``; midnight is taken for the day that begins with it, as the first
    as well as the last day. So ``datetime(2027, 1, 31)`` as an end includes that day.

    Raises:
        InvalidInputError: the end is before the start, all of it is still to come, or it is beyond the calendar.
    """
    with _calendar():
        begin, finish = _moment(start, zone), _moment(end, zone)
        if _is_day(end):
            finish = _midnight(_day(end) + timedelta(days=1), _zone_of(end, zone))
        return _between(begin, finish, now)


def is_of_days(period: Period, zone: tzinfo) -> bool:
    """Whether it begins and ends where days of a zone do."""
    ends = (datetime.fromtimestamp(at / 1000, zone) for at in (period.begin, period.end))
    return all(end == _midnight(end.date(), zone) for end in ends)


@contextmanager
def _calendar() -> Iterator[None]:
    """Let a body reckon with days and zones, and refuse what that leads out of all calendars.

    Raises:
        InvalidInputError: it did.
    """
    try:
        yield
    except OverflowError as error:
        raise InvalidInputError(
            "the period lies beyond the calendar", hint="write years in full, as in 2027-01-31"
        ) from error


def _between(begin: datetime, finish: datetime, now: int) -> Period:
    if _milliseconds(finish) <= _milliseconds(begin):
        raise InvalidInputError(
            f"the period is empty: it would end at {_said(finish)} and start at {_said(begin)}",
            hint="give the earlier time first",
        )
    if finish - begin > _LONGEST:
        raise InvalidInputError("the period is longer than ten years", hint="name a shorter one")
    return _checked("custom", begin, finish, now)


def before(period: Period, zone: tzinfo) -> Period:
    """Return the period before, or as much of it as has passed of this one, so that the two compare."""
    begin = datetime.fromtimestamp(period.begin / 1000, zone)
    if period.kind == "monthly":
        first = (begin.date().replace(day=1) - timedelta(days=1)).replace(day=1)
        start, end = _milliseconds(_midnight(first, zone)), period.begin
    elif period.kind == "custom":
        start, end = period.begin - (period.end - period.begin), period.begin
    else:
        days = 1 if period.kind == "daily" else 7
        start, end = _milliseconds(_midnight(begin.date() - timedelta(days=days), zone)), period.begin
    until = end if period.is_over else min(end, start + period.length)
    return Period(period.kind, start, until, until)


def spans(period: Period, zone: tzinfo) -> tuple[tuple[Span, ...], Literal["hour", "day", "week"]]:
    """Return the parts of a period that a chart shows, and what they are: hours, days or weeks."""
    whole = period.end - period.begin
    if whole <= HOURLY_UP_TO_MS:
        # Whole hours of the clock in the world; where clocks change, the day has 23 or 25 of them.
        first = period.begin - period.begin % HOUR_MS
        edges = list(range(first, period.end, HOUR_MS))
        return _cut(edges, period), "hour"
    step = 1 if whole <= _DAILY_UP_TO_MS else 7
    day = datetime.fromtimestamp(period.begin / 1000, zone).date()
    edges = []
    while (edge := _milliseconds(_midnight(day, zone))) < period.end:
        edges.append(edge)
        day += timedelta(days=step)
    return _cut(edges, period), "day" if step == 1 else "week"


def _cut(edges: list[int], period: Period) -> tuple[Span, ...]:
    ends = [*edges[1:], period.end]
    return tuple(
        Span(max(begin, period.begin), min(end, period.end)) for begin, end in zip(edges, ends, strict=True)
    )


def _check_year(year: int) -> None:
    if not 1970 <= year <= 9998:
        raise InvalidInputError(f"there is no report on the year {year}", hint="write it in full, as in 2027")


def _of_days(kind: PeriodKind, first: date, behind: date, zone: tzinfo, now: int) -> Period:
    return _checked(kind, _midnight(first, zone), _midnight(behind, zone), now)


def _checked(kind: PeriodKind, begin: datetime, end: datetime, now: int) -> Period:
    _check_year(begin.year)
    start, finish = _milliseconds(begin), _milliseconds(end)
    if start > now:
        raise InvalidInputError(
            f"the period is still to come: it starts at {_said(begin)}", hint="name one that has begun"
        )
    return Period(kind, start, finish, min(finish, max(now - now % MINUTE_MS, start)))


def _month_after(first: date) -> date:
    return (first + timedelta(days=32)).replace(day=1)


def _is_day(given: date | datetime) -> bool:
    return not isinstance(given, datetime) or given.time() == time()


def _day(given: date | datetime) -> date:
    return given.date() if isinstance(given, datetime) else given


def _day_in(given: date | datetime, zone: tzinfo) -> date:
    if isinstance(given, datetime) and given.tzinfo is not None:
        given = given.astimezone(zone)
    return _day(given)


def _zone_of(given: date | datetime, zone: tzinfo) -> tzinfo:
    return given.tzinfo or zone if isinstance(given, datetime) else zone


def _moment(given: date | datetime, zone: tzinfo) -> datetime:
    if not isinstance(given, datetime):
        return _midnight(given, zone)
    return given if given.tzinfo is not None else localised(given, zone)


def _midnight(day: date, zone: tzinfo) -> datetime:
    return localised(datetime.combine(day, time()), zone)


def _milliseconds(moment: datetime) -> int:
    return round(moment.astimezone(UTC).timestamp() * 1000)


def _said(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M}"
