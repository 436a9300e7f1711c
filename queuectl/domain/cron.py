"""Cron expressions: five fields as in Debian's cron, checked so that a mistake is named, and the times they match.

Weekdays are 0 to 7 with Sunday at both ends. If day and weekday are both restricted, either may match; if one
of them begins with ``*``, both must. ``L`` is the last day of the month, ``LW`` its last working day, ``5L`` its
last Friday and ``1#2`` its second Monday. What daylight saving does to the times is the business of ``ticks``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NoReturn

from cronsim import CronSim, CronSimError

from queuectl.domain.visible import visible
from queuectl.errors import InvalidInputError

_HINT = 'give minute, hour, day of month, month and weekday, as in "0 10 * * *" for every day at 10:00'
_LONGEST = 200
_SHOWN = 60
_MACROS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_MONTHS = {
    "JAN": 1,
    "FEB": 2,
    "MAR": 3,
    "APR": 4,
    "MAY": 5,
    "JUN": 6,
    "JUL": 7,
    "AUG": 8,
    "SEP": 9,
    "OCT": 10,
    "NOV": 11,
    "DEC": 12,
}
_WEEKDAYS = {"SUN": 0, "MON": 1, "TUE": 2, "WED": 3, "THU": 4, "FRI": 5, "SAT": 6}
_NUMBER = re.compile(r"[0-9]{1,9}")
_ANY_MOMENT = datetime(2000, 1, 1)  # noqa: DTZ001  local times are what cron expressions are about
_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class _Field:
    """One of the five fields; ``marks`` are the words that only it knows."""

    name: str
    least: int
    most: int
    names: dict[str, int]
    marks: tuple[str, ...] = ()


_FIELDS = (
    _Field("minute", 0, 59, {}),
    _Field("hour", 0, 23, {}),
    _Field("day of month", 1, 31, {}, ("L", "LW")),
    _Field("month", 1, 12, _MONTHS),
    _Field("weekday", 0, 7, _WEEKDAYS),
)


@dataclass(frozen=True, slots=True)
class Cron:
    """A checked expression; ``text`` is as it was given, ``fields`` has numbers in place of names and macros.

    ``every_hour`` tells whether it matches in each hour of the day, so that it means an interval and not
    times of the day.
    """

    text: str
    fields: str
    every_hour: bool

    def matches(self, start: datetime, *, backwards: bool = False) -> Iterator[datetime]:
        """Yield the local times that match, from ``start`` on, itself included, in their order or against it."""
        start = start.replace(second=0, microsecond=0)
        before = start + _SECOND if backwards else start - _SECOND
        try:
            yield from CronSim(self.fields, before, backwards)
        except (OverflowError, ValueError):  # the calendar ends
            return

    def in_words(self) -> str:
        """Return the expression as an English sentence without its full stop."""
        words = CronSim(self.fields, _ANY_MOMENT).explain()
        return words[:1].lower() + words[1:]


def parse(text: object) -> Cron:
    """Return a checked expression; ``@daily`` and its kind are accepted too.

    Raises:
        InvalidInputError: it is none; the message names the field and what is wrong with it.
    """
    if not isinstance(text, str):
        raise InvalidInputError(f"the cron expression {text!r:.60} is not a text", hint=_HINT)
    given = " ".join(text.split())
    if not given:
        raise InvalidInputError("the cron expression is empty", hint=_HINT)
    if len(given) > _LONGEST:
        raise InvalidInputError(f"the cron expression is longer than {_LONGEST} characters", hint=_HINT)
    parts = _expanded(given).upper().split()
    if len(parts) != len(_FIELDS):
        _refuse(given, f"has {len(parts)} {'field' if len(parts) == 1 else 'fields'} and not 5")
    fields = " ".join(_checked(given, field, part) for field, part in zip(_FIELDS, parts, strict=True))
    try:
        found = CronSim(fields, _ANY_MOMENT)
        next(found)
    except (CronSimError, StopIteration):
        _refuse(given, "never comes: no month that it names has such a day", "correct the day or the month")
    return Cron(given, fields, found.hours == set(range(24)))


def _expanded(given: str) -> str:
    if not given.startswith("@"):
        return given
    expanded = _MACROS.get(given.lower())
    if expanded is None:
        _refuse(given, "is none of " + ", ".join(_MACROS))
    return expanded


def _checked(given: str, field: _Field, part: str) -> str:
    return ",".join(_term(given, field, term) for term in part.split(","))


def _term(given: str, field: _Field, term: str) -> str:
    """Return one term of a field's list with numbers in place of names."""
    if not term:
        _refuse(given, f"has an empty {field.name}")
    if term in field.marks:
        return term
    if field.name == "weekday" and (marked := _marked_weekday(given, field, term)):
        return marked
    base, slash, step = term.partition("/")
    first, dash, last = base.partition("-")
    if base == "*":
        body = "*"
    elif dash:
        start, end = _value(given, field, first), _value(given, field, last)
        if field.name == "weekday" and end == 0 < start:
            end = 7  # as in SAT-SUN
        if end < start:
            _refuse(given, f"has the {field.name} {_seen(base)}, whose end lies before its beginning")
        body = f"{start}-{end}"
    else:
        body = str(_value(given, field, base))
    if not slash:
        return body
    return f"{body}/{_step(given, field, step)}"


def _marked_weekday(given: str, field: _Field, term: str) -> str | None:
    """Return ``5L`` and ``1#2`` with their weekday as a number; None if the term is neither."""
    day, mark, place = term.partition("#")
    if mark:
        if place not in ("1", "2", "3", "4", "5"):
            _refuse(given, f"has the weekday {_seen(term)}, and after # comes a number from 1 to 5")
        return f"{_value(given, field, day)}#{place}"
    if len(term) > 1 and term.endswith("L"):
        return f"{_value(given, field, term[:-1])}L"
    return None


def _value(given: str, field: _Field, word: str) -> int:
    if word in field.names:
        return field.names[word]
    if not _NUMBER.fullmatch(word):
        known = f" or a name such as {next(iter(field.names))}" if field.names else ""
        _refuse(given, f"has the {field.name} {_seen(word)}, which is not a number{known}")
    number = int(word)
    if not field.least <= number <= field.most:
        _refuse(given, f"cannot be: {field.name} {number} is not between {field.least} and {field.most}")
    return number


def _step(given: str, field: _Field, word: str) -> int:
    longest = field.most - field.least
    if not _NUMBER.fullmatch(word) or not 1 <= int(word) <= longest:
        # A longer step would silently mean once in each hour, day, month, year or week.
        _refuse(
            given, f"cannot be: the step {_seen(word)} of its {field.name} is not between 1 and {longest}"
        )
    return int(word)


def _seen(word: str) -> str:
    return repr(visible(word, _SHOWN))


def _refuse(given: str, why: str, hint: str = _HINT) -> NoReturn:
    raise InvalidInputError(f"the cron expression {_seen(given)} {why}", hint=hint)
