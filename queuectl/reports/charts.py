"""Charts as SVG pictures: one text for the page, the HTML file and the PDF, with nothing in it but shapes and words.

Colours are attributes, so that a picture looks right by itself; a style sheet for dark pages overrides them by class.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from html import escape

from queuectl.domain.report import Cell, Chart, Kind
from queuectl.reports.wording import Wording

WIDTH, _HEIGHT = 720, 230
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 8, 30, 26
_BAR, _BAR_LABEL, _BAR_VALUE = 22, 250, 90
_LINES = 4
_LABELS = 9
_FONT = 11
_INK, _FAINT, _RULE = "#4b5563", "#6b7280", "#e5e7eb"

COLOURS = {
    "succeeded": ("#2f855a", "#4fb286"),
    "dead": ("#c2410c", "#f0814a"),
    "cancelled": ("#9ca3af", "#6b7280"),
    "failed_attempts": ("#c2410c", "#f0814a"),
    "half": ("#2b6cb0", "#63a4e8"),
    "p95": ("#d69e2e", "#e7bc5b"),
}
"""The colour of each series on a light and on a dark page; others have those of ``half`` and ``p95`` in turn."""

_ORDER = ("half", "p95")
_ROUND = (1, 2, 2.5, 5, 10)
_ROUND_MS = (
    *(1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 15_000, 30_000),
    *(60_000, 120_000, 300_000, 600_000, 900_000, 1_800_000, 3_600_000, 7_200_000, 10_800_000),
    *(21_600_000, 43_200_000, 86_400_000, 172_800_000),
)


def svg(chart: Chart, wording: Wording) -> str:
    """Return a chart as one ``<svg>`` element with a title that says what it shows."""
    if chart.form == "bars":
        height, parts = _bars(chart, wording)
    else:
        height, parts = _over_time(chart, wording)
    name = escape(wording.word(chart.name))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="chart" viewBox="0 0 {WIDTH} {height}" role="img"'
        f' aria-label="{name}" font-family="Noto Sans SC, sans-serif" font-size="{_FONT}">'
        f"<title>{name}</title>{''.join(parts)}</svg>"
    )


def style() -> str:
    """Return the rules that change the colours of charts on a dark page."""
    rules = [f".c-{name}{{fill:{dark}}}.l-{name}{{stroke:{dark}}}" for name, (_, dark) in COLOURS.items()]
    return f"{''.join(rules)}.c-ink{{fill:#c3c8d0}}.c-faint{{fill:#9aa1ac}}.c-rule{{stroke:#343a43}}"


def _over_time(chart: Chart, wording: Wording) -> tuple[int, list[str]]:
    stacked = chart.form == "columns"
    highest = _highest(chart, stacked=stacked)
    step, top = _scale(highest, chart.kind)
    parts = [*_legend(chart, wording), *_rules(chart.kind, step, top, wording), *_axis(chart.axis, wording)]
    if stacked:
        parts += _columns(chart, top)
    else:
        for number, series in enumerate(chart.series):
            parts += _line(series.values, top, _name(series.name, number))
    return _HEIGHT, parts


def _highest(chart: Chart, *, stacked: bool) -> float:
    places = zip(*(series.values for series in chart.series), strict=True)
    join = sum if stacked else max
    return max((join([value or 0 for value in place]) for place in places), default=0)


def _scale(highest: float, kind: Kind) -> tuple[float, float]:
    """Return the distance of the lines and the value of the topmost one."""
    wanted = max(highest, 1) / _LINES
    if kind is Kind.DURATION:
        step: float = next((each for each in _ROUND_MS if each >= wanted), 0)
        step = step or -(-wanted // 86_400_000) * 86_400_000
    else:
        power = 10.0 ** (len(str(int(wanted))) - 1)
        step = next(each * power for each in _ROUND if each * power >= wanted)
        step = max(1.0, step if step >= 10 else float(-(-step // 1)))
    lines = max(1, -(-highest // step))
    return step, step * lines


def _rules(kind: Kind, step: float, top: float, wording: Wording) -> list[str]:
    parts = []
    for number in range(round(top / step) + 1):
        y = _y(number * step, top)
        label = wording.said(Cell(kind, number * step)) if number or kind is Kind.COUNT else "0"
        parts.append(
            f'<line class="c-rule" x1="{_LEFT}" y1="{y}" x2="{WIDTH - _RIGHT}" y2="{y}" stroke="{_RULE}"/>'
        )
        parts.append(_text(_LEFT - 6, y + 4, label, "c-faint", _FAINT, anchor="end"))
    return parts


def _axis(axis: Sequence[Cell], wording: Wording) -> list[str]:
    every = max(1, -(-len(axis) // _LABELS))
    return [
        _text(_x(number, len(axis)), _HEIGHT - 8, wording.said(cell), "c-faint", _FAINT, anchor="middle")
        for number, cell in enumerate(axis)
        if number % every == 0
    ]


def _columns(chart: Chart, top: float) -> list[str]:
    places = len(chart.axis)
    wide = round(min(36.0, (WIDTH - _LEFT - _RIGHT) / max(places, 1) * 0.72), 1)
    parts = []
    for place in range(places):
        below = 0.0
        for number, series in enumerate(chart.series):
            value = series.values[place] or 0
            if value <= 0:
                continue
            y, foot = _y(below + value, top), _y(below, top)
            below += value
            parts.append(
                f'<rect {_paint(_name(series.name, number))} x="{round(_x(place, places) - wide / 2, 1)}"'
                f' y="{y}" width="{wide}" height="{round(foot - y, 1)}"/>'
            )
    return parts


def _line(values: Sequence[float | None], top: float, name: str) -> list[str]:
    """Return a line that is interrupted where there is nothing; a value that stands alone is a dot."""
    parts, run = [], []
    for place, value in enumerate([*values, None]):
        if value is not None:
            run.append(f"{_x(place, len(values))},{_y(value, top)}")
            continue
        if len(run) > 1:
            parts.append(
                f'<polyline class="l-{name}" fill="none" stroke="{COLOURS[name][0]}" stroke-width="2"'
                f' stroke-linejoin="round" points="{" ".join(run)}"/>'
            )
        elif run:
            x, y = run[0].split(",")
            parts.append(f'<circle {_paint(name)} cx="{x}" cy="{y}" r="2.5"/>')
        run = []
    return parts


def _bars(chart: Chart, wording: Wording) -> tuple[int, list[str]]:
    values = [value or 0 for value in chart.series[0].values]
    most = max(values, default=0) or 1
    room = WIDTH - _BAR_LABEL - _BAR_VALUE
    name = _name(chart.series[0].name, 0)
    parts = []
    for number, (cell, value) in enumerate(zip(chart.axis, values, strict=True)):
        y = number * _BAR + 4
        wide = round(max(value / most * room, 1 if value else 0), 1)
        label = _shortened(wording.said(cell), _BAR_LABEL - 14)
        parts.append(_text(_BAR_LABEL - 8, y + 12, label, "c-ink", _INK, anchor="end"))
        parts.append(
            f'<rect {_paint(name)} x="{_BAR_LABEL}" y="{y}" width="{wide}" height="{_BAR - 7}" rx="2"/>'
        )
        said = wording.said(Cell(chart.kind, value))
        parts.append(_text(_BAR_LABEL + wide + 6, y + 12, said, "c-faint", _FAINT))
    return len(chart.axis) * _BAR + 6, parts


def _legend(chart: Chart, wording: Wording) -> list[str]:
    x, parts = float(_LEFT), []
    for number, series in enumerate(chart.series):
        said = wording.said(series.name)
        parts.append(
            f'<rect {_paint(_name(series.name, number))} x="{round(x, 1)}" y="8" width="10"'
            ' height="10" rx="2"/>'
        )
        parts.append(_text(x + 15, 17, said, "c-ink", _INK))
        x += 15 + _width(said) + 20
    return parts


def _text(x: float, y: float, said: str, name: str, colour: str, *, anchor: str = "start") -> str:
    return (
        f'<text class="{name}" fill="{colour}" x="{round(x, 1)}" y="{round(y, 1)}" text-anchor="{anchor}">'
        f"{escape(said)}</text>"
    )


def _name(cell: Cell, number: int) -> str:
    return str(cell.value) if cell.value in COLOURS else _ORDER[number % len(_ORDER)]


def _paint(name: str) -> str:
    return f'class="c-{name}" fill="{COLOURS[name][0]}"'


def _x(place: int, places: int) -> float:
    return round(_LEFT + (place + 0.5) * (WIDTH - _LEFT - _RIGHT) / max(places, 1), 1)


def _y(value: float, top: float) -> float:
    return round(_HEIGHT - _BOTTOM - value / top * (_HEIGHT - _TOP - _BOTTOM), 1)


def _shortened(text: str, width: float) -> str:
    if _width(text) <= width:
        return text
    while text and _width(text + "…") > width:
        text = text[:-1]
    return text + "…"


def _width(text: str) -> float:
    """Return about how wide a text is; no font is asked, so that the picture is the same everywhere."""
    return sum(
        _FONT if unicodedata.east_asian_width(mark) in "WF" else _FONT * (0.64 if mark.isupper() else 0.56)
        for mark in text
    )
