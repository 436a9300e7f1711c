"""A report as plain facts: sections with tables and charts, whose words, numbers and dates are put in later."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from typing import Literal

from queuectl.domain.report_period import Period
from queuectl.errors import InvalidInputError

METRICS = (
    "summary",
    "throughput",
    "wait_times",
    "durations",
    "error_analysis",
    "queue_utilization",
    "hosts",
    "schedules",
    "publishing",
    "slowest",
    "comparison",
)
"""What a report can tell, in the order in which a whole report tells it."""

FORMATS = ("html", "pdf", "md", "csv", "json")
"""What a report can be written as; the names are what file names end in, too."""

LANGUAGES = ("en", "zh")
"""The languages in which reports are written."""

LONGEST_TEXT = 160
"""A text from outside is cut to so many characters in a table."""


class Kind(StrEnum):
    """What a value is, and with that its unit and how it is written."""

    COUNT = "count"  # a whole number
    NUMBER = "number"  # a number with a few digits behind the point
    SHARE = "share"  # of 1
    CHANGE = "change"  # of 1, with its sign
    POINTS = "points"  # by how much a share differs from another one, of 1
    DURATION = "duration"  # milliseconds
    MOMENT = "moment"  # UTC milliseconds
    DAY = "day"  # UTC milliseconds of the day's beginning in the report's zone
    DATE = "date"  # the same, said with its year
    HOUR = "hour"  # UTC milliseconds of the hour's beginning
    CLOCK = "clock"  # the same, of a report on one day
    WORD = "word"  # one of our own words, said in the language of the reader
    TEXT = "text"  # anything that came from outside
    LINK = "link"  # an http or https address that came from outside


@dataclass(frozen=True, slots=True)
class Cell:
    """One value of a table; None where there is nothing to say."""

    kind: Kind
    value: int | float | str | None


@dataclass(frozen=True, slots=True)
class Note:
    """A sentence about a section, named by its key; ``values`` go into its blanks."""

    key: str
    values: tuple[tuple[str, Cell], ...] = ()


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under named columns; ``name`` is the table's heading where a section has several."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Series:
    """The values of one line or colour of a chart, one for each place on the axis."""

    name: Cell
    values: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class Chart:
    """A picture of numbers: columns or lines over ``axis``, or bars that lie beside its labels.

    ``kind`` is what the values are.
    """

    form: Literal["columns", "lines", "bars"]
    name: str
    kind: Kind
    axis: tuple[Cell, ...]
    series: tuple[Series, ...]


@dataclass(frozen=True, slots=True)
class Section:
    """What a report tells of one metric."""

    metric: str
    tables: tuple[Table, ...] = ()
    charts: tuple[Chart, ...] = ()
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """What happened in a period; ``zone`` is the time zone of its days and clock times."""

    period: Period
    zone: str
    sections: tuple[Section, ...]
    notes: tuple[Note, ...] = ()


def count(value: int | None) -> Cell:
    """Return a whole number as a cell."""
    return Cell(Kind.COUNT, value)


def word(key: str) -> Cell:
    """Return one of our own words as a cell."""
    return Cell(Kind.WORD, key)


def text(value: str | None) -> Cell:
    """Return a text from outside as a cell."""
    return Cell(Kind.TEXT, value)


def duration(milliseconds: float | None) -> Cell:
    """Return a duration as a cell."""
    return Cell(Kind.DURATION, None if milliseconds is None else round(milliseconds))


def share(part: float, whole: float) -> Cell:
    """Return a part of a whole as a cell; of nothing there is no part."""
    return Cell(Kind.SHARE, round(part / whole, 6) if whole else None)


def change(before: float | None, now: float | None) -> Cell:
    """Return by what part of the former value the new one differs; from nothing there is no telling."""
    if not before or now is None:
        return Cell(Kind.CHANGE, None)
    return Cell(Kind.CHANGE, round(now / before - 1, 6))


def checked_metrics(names: Iterable[object] | None) -> tuple[str, ...]:
    """Return the named metrics, each once and in the order in which they were named; None means all.

    Raises:
        InvalidInputError: one does not exist, or none is named.
    """
    if names is None:
        return METRICS
    if isinstance(names, str):
        names = names.split(",")
    wanted = [name.strip().lower().replace("-", "_") if isinstance(name, str) else name for name in names]
    for name in wanted:
        if name not in METRICS:
            near = get_close_matches(str(name), METRICS, n=1)
            proposal = f"did you mean {near[0]}? " if near else ""
            raise InvalidInputError(
                f"there is no metric {str(name)[:60]!r}", hint=f"{proposal}there are: {', '.join(METRICS)}"
            )
    if not wanted:
        raise InvalidInputError("no metric is named", hint=f"there are: {', '.join(METRICS)}")
    return tuple(dict.fromkeys(str(name) for name in wanted))
