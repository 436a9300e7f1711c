"""A report as PDF, set by Typst with an embedded Chinese font; what that font cannot show is replaced by words."""

from __future__ import annotations

import json
import unicodedata
from functools import lru_cache
from itertools import groupby
from pathlib import Path
from typing import Any, Literal

from queuectl.domain.report import Report, Section, Table
from queuectl.errors import MissingDependencyError
from queuectl.reports import charts
from queuectl.reports.html import closing
from queuectl.reports.sheet import laid_out
from queuectl.reports.wording import NOTHING, Language, Wording

_TEMPLATE = Path(__file__).with_name("report.typ")
_FAMILY = "Noto Sans SC"
_REGION = {"en": None, "zh": "cn"}
_BREAK_AFTER = "/?&=_.,;:-"
_LONG_WORD = 18
_NAMED_AT_ONCE = 3
_ZERO_WIDTH_SPACE = "\u200b"
_NOT_DRAWN = {"Mn", "Me", "Cf"}  # accents and format marks are drawn with what is before them, if at all


def pdf(report: Report, language: Language) -> bytes:
    """Return the whole file.

    Raises:
        MissingDependencyError: Typst or its font is not installed.
    """
    made: bytes = _pages(report, language, "pdf")
    return made


def pictures(report: Report, language: Language, *, resolution: int = 110) -> list[bytes]:
    """Return each page as a PNG picture with so many dots per inch.

    Raises:
        MissingDependencyError: Typst or its font is not installed.
    """
    made: bytes | list[bytes] = _pages(report, language, "png", resolution)
    return made if isinstance(made, list) else [made]


def _pages(
    report: Report, language: Language, form: Literal["pdf", "png"], resolution: int | None = None
) -> Any:
    try:
        import typst
        from pylopdf_fonts_zh_cn import sans_path
    except ImportError as error:
        raise MissingDependencyError(
            f"a report as PDF needs the package {error.name}, which is not installed",
            hint="run: pip install 'queuectl[pdf]', or choose another format, such as html",
        ) from error
    font = Path(str(sans_path()))
    wording = Wording(language, report.zone, legible)
    fonts = typst.Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=[font.parent])
    # The time of making is left out, and the moment up to which the report counts stands in its place, so that
    # the same report is the same file.
    return typst.compile(
        _TEMPLATE.read_bytes(),
        format=form,
        ppi=resolution,
        font_paths=fonts,
        ignore_system_fonts=True,
        sys_inputs={"report": json.dumps(_content(report, language, wording), ensure_ascii=False)},
        timestamp=report.period.until // 1_000,
    )


def legible(text: str) -> str:
    """Return a text as the pages show it: what the font cannot draw is named, and long words may be broken."""
    from pylopdf_fonts_zh_cn import sans_path

    return _breakable(_drawable(text, _characters(Path(str(sans_path())))))


def _content(report: Report, language: Language, wording: Wording) -> dict[str, Any]:
    kind, period = wording.title(report), wording.period(report.period)
    return {
        "title": f"{kind}: {period}",
        "short": f"queuectl · {kind} · {period}",
        "kind": kind,
        "period": period,
        "lang": language,
        "region": _REGION[language],
        "fonts": [_FAMILY],
        "notes": [wording.sentence(note) for note in report.notes],
        "sections": [_section(section, wording) for section in report.sections],
        "closing": " ".join(closing(report, wording)),
    }


def _section(section: Section, wording: Wording) -> dict[str, Any]:
    return {
        "title": wording.word(section.metric),
        "meaning": wording.meaning(section.metric),
        "charts": [
            {"name": wording.word(chart.name), "svg": charts.svg(chart, wording)} for chart in section.charts
        ],
        "tables": [_table(table, wording, tiles=section.metric == "summary") for table in section.tables],
        "notes": [wording.sentence(note) for note in section.notes],
    }


def _table(table: Table, wording: Wording, *, tiles: bool) -> dict[str, Any]:
    sheet = laid_out(table, wording)
    rows = [[said.text for said in row] for row in sheet.rows]
    if tiles:
        rows = [[said for place, said in enumerate(row) if place < 2 or said != NOTHING] for row in rows]
    shares = [column.share for column in sheet.columns]
    return {
        "name": None if table.name is None else wording.word(table.name),
        "tiles": tiles,
        "head": [column.name for column in sheet.columns],
        "numbers": [column.is_number for column in sheet.columns],
        # Where no column takes what is left, all are equally wide, so that a table fills the page.
        "shares": shares if any(shares) else [1] * len(shares),
        "rows": rows,
        "links": [[said.target for said in row] for row in sheet.rows],
    }


@lru_cache(maxsize=4)
def _characters(font: Path) -> frozenset[int]:
    """Return the characters that a font can draw."""
    from fontTools.ttLib import TTFont

    with TTFont(font, lazy=True) as opened:
        return frozenset(opened.getBestCmap())


def _drawable(text: str, known: frozenset[int]) -> str:
    """Return a text in which what the font cannot draw is named: an empty box would say nothing."""
    if text.isascii():
        return text
    parts = []
    for is_known, marks in groupby(text, lambda mark: ord(mark) in known):
        run = "".join(marks)
        if is_known:
            parts.append(run)
        elif len(run) <= _NAMED_AT_ONCE:
            parts.append("".join(_named(mark) for mark in run))
        else:  # a word of a script that the font does not have
            parts.append(f"[{len(run)} × {unicodedata.name(run[0], 'UNKNOWN').split()[0].lower()}]")
    return "".join(parts)


def _named(mark: str) -> str:
    if unicodedata.category(mark) in _NOT_DRAWN:
        return ""
    plain = unicodedata.normalize("NFKC", mark)
    if plain != mark and plain.isascii():
        return plain
    name = unicodedata.name(mark, "")
    if not name or "IDEOGRAPH" in name:
        return f"[U+{ord(mark):04X}]"
    return f"[{name.lower()}]"


def _breakable(text: str) -> str:
    """Return a text that may be broken inside of long words, such as addresses, so that none leaves its column."""
    return " ".join(_broken(word) if len(word) > _LONG_WORD else word for word in text.split(" "))


def _broken(word: str) -> str:
    parts, since = [], 0
    for mark in word:
        parts.append(mark)
        since += 1
        if mark in _BREAK_AFTER or since >= _LONG_WORD:
            parts.append(_ZERO_WIDTH_SPACE)
            since = 0
    return "".join(parts)
