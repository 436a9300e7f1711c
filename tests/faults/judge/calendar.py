"""When a cron expression should have fired: a walk over every minute, which shares nothing with the real calendar."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

_RANGES = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
_MINUTE = timedelta(minutes=1)


def ticks(cron: str, zone: str, after: int, until: int) -> list[int]:
    """Return the ticks of a five-field expression of numbers after one moment and up to another, in UTC milliseconds.

    An hour that clocks skip fires at the first moment after the gap, one that they show twice the first time;
    an expression for every hour means an interval, which goes on in real time.
    """
    fields = [_field(text, *bounds) for text, bounds in zip(cron.split(), _RANGES, strict=True)]
    any_day = (cron.split()[2].startswith("*"), cron.split()[4].startswith("*"))
    every_hour = fields[1] == set(range(24))
    place = ZoneInfo(zone)
    found: list[int] = []
    moment = datetime.fromtimestamp(after // 60_000 * 60, UTC)
    before = (moment - _MINUTE).astimezone(place).replace(tzinfo=None)
    while moment.timestamp() * 1000 <= until:
        local = moment.astimezone(place)
        naive = local.replace(tzinfo=None)
        fires = _matches(naive, fields, any_day) and (every_hour or not local.fold)
        if not every_hour and naive - before > _MINUTE:
            fires = fires or any(
                _matches(each, fields, any_day) for each in _minutes(before + _MINUTE, naive)
            )
        at = round(moment.timestamp() * 1000)
        if fires and after < at <= until:
            found.append(at)
        before, moment = naive, moment + _MINUTE
    return found


def _minutes(first: datetime, end: datetime) -> Iterator[datetime]:
    while first < end:
        yield first
        first += _MINUTE


def _matches(local: datetime, fields: list[set[int]], any_day: tuple[bool, bool]) -> bool:
    minutes, hours, days, months, weekdays = fields
    if local.minute not in minutes or local.hour not in hours or local.month not in months:
        return False
    weekday = (local.weekday() + 1) % 7
    by_weekday = weekday in weekdays or (weekday == 0 and 7 in weekdays)
    # As in cron: where both days are restricted, either of them will do.
    if not any(any_day):
        return local.day in days or by_weekday
    return local.day in days and by_weekday


def _field(text: str, low: int, high: int) -> set[int]:
    values: set[int] = set()
    for part in text.split(","):
        span, _, step = part.partition("/")
        if span == "*":
            first, last = low, high
        else:
            begin, dash, end = span.partition("-")
            first = int(begin)
            last = int(end) if dash else (high if step else first)
        values |= set(range(first, last + 1, int(step or 1)))
    return values
