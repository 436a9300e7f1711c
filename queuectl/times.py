"""Times as people write and read them; stored times are UTC milliseconds and never leave that form here.

Exact times and durations are read by strict rules of our own. Words go to ``time_words``, and only
what that does not know goes to the language parser, which is large and loaded on first use.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from typing import Literal
from zoneinfo import ZoneInfo

from queuectl.domain.local_time import change_note
from queuectl.domain.local_time import localised as localised
from queuectl.errors import InvalidInputError
from queuectl.time_words import duration_in_words, moment_in_words

Direction = Literal["future", "past"]

EARLIEST = -62_135_510_400_000
LATEST = 253_402_214_399_999
"""The moments that are kept lie between these (UTC milliseconds): a day within the calendar, for every zone's sake."""

_EXACT = re.compile(
    r"(\d{4})[-/](\d{1,2})[-/](\d{1,2})"
    r"(?:[T ]\s*(\d{1,2}):(\d{2})(?::(\d{2})(?:\.\d{1,9})?)?)?"
    r"\s*(Z|UTC|GMT|[+-]\d{2}:?\d{2}|[A-Za-z]+(?:/[A-Za-z0-9_+-]+)+)?",
)
_CHINESE_DATE = re.compile(r"(\d{4})年(\d{1,2})月(\d{1,2})[日号]\s*")
_SWAPPABLE = re.compile(r"(\d{1,2})[/.-](\d{1,2})[/.-](?:\d{4}|\d{2})\b")
_LONGEST = 100
_EXAMPLES = 'write it as "2027-01-31 10:00", "2027-01-31T10:00:00+08:00", "in 2h30m" or "tomorrow 10:00"'


def parse_moment(
    text: str,
    zone: str,
    *,
    now: datetime | None = None,
    towards: Direction = "future",
    tell: Callable[[str], None] | None = None,
) -> datetime:
    """Return the moment that ``text`` names, with a zone; without one of its own it is read in ``zone``.

    A bare duration counts from now, forwards or backwards as ``towards`` says. A local time that the
    clocks skip means the first moment after the gap, one that happens twice the first of both; ``tell``
    is told so in a sentence.

    Raises:
        InvalidInputError: the text is no time, or could mean two.
    """
    place = zone_named(zone)
    base = (now or datetime.now(UTC)).astimezone(place)
    words = " ".join(text.split())
    if len(words) > _LONGEST:
        raise InvalidInputError("the text for the time is too long", hint=_EXAMPLES)
    try:
        moment = (
            _settled(_exact(words, place), tell)
            or _by_duration(words, base, towards)
            or _settled(_in_words(words, base, towards), tell)
        )
    except (OverflowError, ValueError) as error:
        raise InvalidInputError(f"there is no such time as {text!r}", hint=_EXAMPLES) from error
    if moment is None:
        raise InvalidInputError(f"{text!r} is not a time", hint=_EXAMPLES)
    return moment


def parse_duration(text: str) -> timedelta:
    """Return the duration that ``text`` names, such as ``90m``, ``in 2h30m`` or ``2小时``.

    Raises:
        InvalidInputError: the text is no duration.
    """
    try:
        duration = duration_in_words(" ".join(text.split()))
    except OverflowError:
        duration = None
    if duration is None:
        raise InvalidInputError(f"{text!r} is not a duration", hint='write it as "90m", "2h30m" or "1d"')
    return duration


def milliseconds(moment: datetime) -> int:
    """Return an aware moment in the form in which times are stored."""
    return round(moment.timestamp() * 1000)


def shown(at: int | None, zone: str) -> str:
    """Return a stored time for people, with its zone; the text can be given back to any command."""
    if at is None:
        return "-"
    moment = datetime.fromtimestamp(at / 1000, zone_named(zone))
    offset = moment.strftime("%z")
    name = "UTC" if zone == "UTC" else f"{offset[:3]}:{offset[3:5]}"
    return f"{moment:%Y-%m-%d %H:%M:%S} {name}"


def is_kept(at: int) -> bool:
    """Tell whether a moment in UTC milliseconds is one that can be stored, and shown in every zone."""
    return EARLIEST <= at <= LATEST


def iso(at: int | None) -> str | None:
    """Return a stored time for programs: ISO 8601 in UTC with milliseconds."""
    if at is None:
        return None
    moment = datetime.fromtimestamp(at // 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{at % 1000:03d}Z"


@lru_cache(maxsize=8)
def zone_named(name: str) -> tzinfo:
    """Return the zone with this name; the settings have checked that there is one."""
    return UTC if name == "UTC" else ZoneInfo(name)


def _settled(wall: datetime | None, tell: Callable[[str], None] | None) -> datetime | None:
    """Return the moment that is meant by what the clocks of a zone are to show, which they may skip or repeat."""
    if wall is None or wall.tzinfo is None:
        return wall
    naive = wall.replace(tzinfo=None)
    note = change_note(naive, wall.tzinfo)
    if note is not None and tell is not None:
        tell(note)
    return localised(naive, wall.tzinfo)


def _exact(text: str, place: tzinfo) -> datetime | None:
    match = _EXACT.fullmatch(_CHINESE_DATE.sub(r"\1-\2-\3 ", text, count=1))
    if match is None:
        return None
    *numbers, suffix = match.groups()
    year, month, day, hour, minute, second = (int(number or 0) for number in numbers)
    return datetime(
        year, month, day, hour, minute, second, tzinfo=place if suffix is None else _zone_of(suffix)
    )


def _zone_of(suffix: str) -> tzinfo:
    if suffix in {"Z", "UTC", "GMT"}:
        return UTC
    if suffix[0] in "+-":
        sign = -1 if suffix[0] == "-" else 1
        hours, minutes = int(suffix[1:3]), int(suffix[-2:])
        return timezone(sign * timedelta(hours=hours, minutes=minutes))
    try:
        return ZoneInfo(suffix)
    except (LookupError, OSError, RecursionError) as error:
        raise InvalidInputError(
            f"there is no time zone {suffix!r}", hint="zones look like Asia/Shanghai or +08:00"
        ) from error


def _by_duration(text: str, base: datetime, towards: Direction) -> datetime | None:
    duration = duration_in_words(text)
    if duration is None:
        return None
    # Counted on the clock of the world, not on the wall, which may be put forward meanwhile.
    there = base.astimezone(UTC) + (duration if towards == "future" else -duration)
    return there.astimezone(base.tzinfo)


def _in_words(text: str, base: datetime, towards: Direction) -> datetime | None:
    place = base.tzinfo
    assert place is not None  # noqa: S101  for the type checker: the base was made with a zone
    naive = moment_in_words(text, base.replace(tzinfo=None), prefer_future=towards == "future")
    if naive is not None:
        return naive.replace(tzinfo=place)
    swappable = _SWAPPABLE.search(text)
    if swappable is not None and int(swappable[1]) <= 12 and int(swappable[2]) <= 12:
        raise InvalidInputError(
            f"{text!r} could mean two days: day and month are easily swapped",
            hint="write the year first, as in 2027-01-31",
        )
    if text.replace(" ", "").isdecimal():
        return None
    return _by_language(text, base, place, towards)


def _by_language(text: str, base: datetime, place: tzinfo, towards: Direction) -> datetime | None:
    import dateparser

    parsed = dateparser.parse(
        text,
        languages=["en", "zh"],
        settings={"PREFER_DATES_FROM": towards, "RELATIVE_BASE": base.replace(tzinfo=None)},
    )
    if not isinstance(parsed, datetime):
        return None
    return parsed if parsed.tzinfo is not None else parsed.replace(tzinfo=place)
