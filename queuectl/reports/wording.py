"""A report's words, numbers, durations and dates as a reader of one language expects them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from difflib import get_close_matches
from typing import Literal, cast

from queuectl.domain.report import LANGUAGES, LONGEST_TEXT, Cell, Kind, Note, Report
from queuectl.domain.report_period import Period, is_of_days
from queuectl.domain.visible import visible
from queuectl.errors import InvalidInputError
from queuectl.reports.sentences import SENTENCES
from queuectl.reports.words import WORDS
from queuectl.times import zone_named

Language = Literal["en", "zh"]

NOTHING = "–"

_MONTHS = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]
_UNITS = {"en": ("ms", "s", "min", "h", "d"), "zh": ("毫秒", "秒", "分", "小时", "天")}


def language(name: object) -> Language:
    """Return the language of this name; ``zh-CN``, ``zh_Hans`` and the like mean Chinese.

    Raises:
        InvalidInputError: no report is written in it.
    """
    short = str(name).strip().lower().replace("_", "-").partition("-")[0]
    if short not in LANGUAGES:
        near = get_close_matches(short, LANGUAGES, n=1)
        proposal = f"did you mean {near[0]}? " if near else ""
        raise InvalidInputError(
            f"there are no reports in the language {str(name)[:40]!r}",
            hint=f"{proposal}there are: en (English), zh (Chinese)",
        )
    return cast(Language, short)


class Wording:
    """Says the parts of a report in a language; ``legible`` replaces what the form at hand cannot show."""

    def __init__(
        self, language: Language, zone: str, legible: Callable[[str], str] = lambda text: text
    ) -> None:
        self.language = language
        self.zone = zone
        self._place = zone_named(zone)
        self._legible = legible

    def word(self, key: str) -> str:
        """Return one of our own words; a name that is none is given back as it is."""
        pair = WORDS.get(key)
        return self.text(key) if pair is None else pair[self.language == "zh"]

    def text(self, text: str, longest: int = LONGEST_TEXT) -> str:
        """Return a text from outside on one line, with nothing invisible in it."""
        return self._legible(visible(text, longest))

    def sentence(self, note: Note) -> str:
        """Return a note as a sentence."""
        pattern = SENTENCES[note.key][self.language == "zh"]
        return pattern.format(**{name: self.said(cell) for name, cell in note.values})

    def meaning(self, metric: str) -> str:
        """Return the sentence that says what a metric means."""
        return self.sentence(Note(metric))

    def title(self, report: Report) -> str:
        """Return what kind of report it is."""
        return self.word(f"{report.period.kind}_report")

    def said(self, cell: Cell) -> str:
        """Return a value as people read it."""
        value = cell.value
        if value is None or value == "":
            return NOTHING
        match cell.kind:
            case Kind.WORD:
                return self.word(str(value))
            case Kind.TEXT | Kind.LINK:
                return self.text(str(value))
            case _:
                return self._said_number(cell.kind, float(value))

    def _said_number(self, kind: Kind, value: float) -> str:
        match kind:
            case Kind.COUNT:
                return f"{round(value):,}"
            case Kind.NUMBER:
                return _number(value)
            case Kind.SHARE:
                return self._percent(value, sign="")
            case Kind.CHANGE:
                return self._percent(value, sign=_sign(value))
            case Kind.POINTS:
                return self._points(value)
            case Kind.DURATION:
                return self.duration(round(value))
            case _:
                return self._said_moment(kind, round(value))

    def _said_moment(self, kind: Kind, at: int) -> str:
        match kind:
            case Kind.MOMENT:
                return self._moment(at)
            case Kind.DAY:
                return self.day(at)
            case Kind.DATE:
                return self.date(at)
            case Kind.CLOCK:
                return f"{self._local(at):%H:%M}"
            case _:
                return self._hour(at)

    def _percent(self, value: float, sign: str) -> str:
        percent = abs(value) * 100
        # What is not quite all or nothing must not look so.
        if 99.95 <= percent < 100 and not sign:
            return "99.9%"
        if 0 < percent < 0.05:
            return f"{sign}<0.1%"
        digits = 0 if percent >= 1000 or percent == 100 else 1
        return f"{sign}{percent:,.{digits}f}%"

    def _points(self, value: float) -> str:
        unit = " 个百分点" if self.language == "zh" else " pp"
        return f"{_sign(value)}{abs(value) * 100:.1f}{unit}"

    def duration(self, milliseconds: int) -> str:
        """Return a duration in its two largest units at most."""
        ms, second, minute, hour, day = _UNITS[self.language]
        gap = " "
        if milliseconds < 1_000:
            return f"{milliseconds}{gap}{ms}"
        seconds = milliseconds / 1_000
        if seconds < 59.95:
            return f"{seconds:.1f}".removesuffix(".0") + f"{gap}{second}"
        for size, large, part, small in ((3_600, minute, 1, second), (86_400, hour, 60, minute)):
            units, rest = divmod(round(seconds / part), 60)
            if units * part * 60 < size:
                return f"{units}{gap}{large}" + (f"{gap}{rest}{gap}{small}" if rest else "")
        units, rest = divmod(round(seconds / 3_600), 24)
        return f"{units:,}{gap}{day}" + (f"{gap}{rest}{gap}{hour}" if rest else "")

    def day(self, at: int) -> str:
        """Return the day of a moment without its year."""
        moment = self._local(at)
        if self.language == "zh":
            return f"{moment.month}月{moment.day}日"
        return f"{moment.day} {_MONTHS[moment.month - 1][:3]}"

    def date(self, at: int) -> str:
        """Return the day of a moment with its year."""
        moment = self._local(at)
        if self.language == "zh":
            return f"{moment.year}年{moment.month}月{moment.day}日"
        return f"{moment.day} {_MONTHS[moment.month - 1]} {moment.year}"

    def period(self, period: Period) -> str:
        """Return when a period was."""
        begin, end = self._local(period.begin), self._local(period.end)
        if period.kind == "monthly":
            month = _MONTHS[begin.month - 1]
            return f"{begin.year}年{begin.month}月" if self.language == "zh" else f"{month} {begin.year}"
        if is_of_days(period, self._place):
            last = round((end - timedelta(hours=12)).timestamp() * 1000)
            days = self.date(period.begin), self.date(last)
            return days[0] if days[0] == days[1] else " – ".join(days)
        return f"{self.date(period.begin)} {begin:%H:%M} – {self.date(period.end)} {end:%H:%M}"

    def _moment(self, at: int) -> str:
        moment = self._local(at)
        if self.language == "zh":
            return f"{self.date(at)} {moment:%H:%M}"
        return f"{self.day(at)} {moment:%Y %H:%M}"

    def _hour(self, at: int) -> str:
        return f"{self.day(at)} {self._local(at):%H:%M}"

    def _local(self, at: int) -> datetime:
        return datetime.fromtimestamp(at / 1000, self._place)


def _number(value: float) -> str:
    if 0 < value < 0.005:
        return "<0.01"
    digits = 0 if value >= 100 or value == 0 else 1 if value >= 1 else 2
    return f"{value:,.{digits}f}"


def _sign(value: float) -> str:
    return "+" if value > 0 else "−" if value < 0 else "±"
