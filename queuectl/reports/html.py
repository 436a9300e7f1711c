"""A report as one HTML file that asks for nothing else: pictures and style inside, no script, light and dark."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from hashlib import sha256
from html import escape

from queuectl import __version__
from queuectl.domain.report import Note, Report, Section, Table, text
from queuectl.reports import charts
from queuectl.reports.sheet import Column, Said, laid_out
from queuectl.reports.wording import NOTHING, Language, Wording

_LANG = {"en": "en", "zh": "zh-Hans"}
_DARK = (
    ".report{color:#e4e6ea;background:#15181c}.report h2{border-color:#2b3037}"
    ".report .about,.report figcaption,.report footer,.report th,.report .tile b+span{color:#9aa1ac}"
    ".report td,.report th{border-color:#2b3037}.report .tile{background:#1d2126;border-color:#2b3037}"
    ".report a{color:#7db7f0}.report .note{background:#1d2126;border-color:#566070}"
    + "".join(f".report {rule}}}" for rule in charts.style().split("}") if rule)
)
STYLE = (
    ":root{color-scheme:light dark}"
    ".report{margin:0;color:#1f2430;background:#fff;font:15px/1.55 system-ui,-apple-system,"
    '"Segoe UI","Noto Sans","Noto Sans SC","Noto Sans CJK SC","PingFang SC","Microsoft YaHei",sans-serif}'
    ".report main{max-width:56rem;margin:0 auto;padding:2.2rem 1.4rem 3rem}"
    ".report h1{margin:0;font-size:1.9rem;line-height:1.25}.report h2{margin:2.6rem 0 .3rem;padding-top:1rem;"
    "border-top:1px solid #e5e7eb;font-size:1.25rem}.report h3{margin:1.4rem 0 .3rem;font-size:1rem}"
    ".report .when{margin:.2rem 0 0;font-size:1.1rem}.report .about,.report figcaption,.report footer"
    "{color:#6b7280}.report .about{margin:0 0 .9rem}.report .headline{margin:1.1rem 0 0;font-size:1.12rem}"
    ".report .tiles{display:grid;grid-template-columns:repeat(auto-fill,minmax(9.5rem,1fr));gap:.7rem}"
    ".report .tile{padding:.7rem .9rem;border:1px solid #e5e7eb;border-radius:.5rem;background:#f9fafb}"
    ".report .tile span{display:block;font-size:.86rem}.report .tile b{display:block;font-size:1.45rem;"
    "font-weight:600;line-height:1.35;font-variant-numeric:tabular-nums}.report .tile b+span{color:#6b7280}"
    ".report .scroll{overflow-x:auto}.report table{border-collapse:collapse;width:100%;font-size:.92rem}"
    ".report th,.report td{padding:.34rem .7rem .34rem 0;border-bottom:1px solid #e5e7eb;text-align:left;"
    "vertical-align:top;overflow-wrap:anywhere}.report th{color:#6b7280;font-weight:600;font-size:.86rem;"
    "overflow-wrap:normal}.report .n{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums;"
    "padding-right:.9rem}.report .n:last-child{padding-right:0}.report .w{white-space:nowrap}"
    ".report figure{margin:1rem 0}.report figcaption{font-size:.86rem;margin-bottom:.2rem}"
    ".report svg.chart{display:block;width:100%;height:auto}"
    ".report .note{margin:.7rem 0;padding:.45rem .8rem;border-left:3px solid #cbd5e1;background:#f8fafc;"
    "font-size:.92rem}.report a{color:#0b5cad}"
    ".report footer{margin-top:3rem;font-size:.86rem}"
    f"@media screen and (prefers-color-scheme:dark){{{_DARK}}}"
    "@media print{.report{font-size:10.5pt}.report main{max-width:none;padding:0}"
    ".report h2{break-after:avoid}.report figure,.report tr,.report .tile{break-inside:avoid}"
    ".report thead{display:table-header-group}.report a{color:inherit;text-decoration:none}}"
    "@page{margin:16mm 14mm}"
)
"""The look of a report; every rule is about what is inside of the class ``report``, so that a page can hold one."""

_POLICY = (
    "default-src 'none'; base-uri 'none'; form-action 'none'; "
    f"style-src 'sha256-{base64.b64encode(sha256(STYLE.encode()).digest()).decode()}'"
)


def html(report: Report, language: Language) -> str:
    """Return the whole file as text."""
    wording = Wording(language, report.zone)
    title = escape(f"{wording.title(report)}: {wording.period(report.period)}")
    return (
        f'<!DOCTYPE html>\n<html lang="{_LANG[language]}">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="referrer" content="no-referrer">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body class="report">\n'
        f"{body(report, language)}\n</body>\n</html>\n"
    )


def body(report: Report, language: Language) -> str:
    """Return ``<main>`` with the report, for a page that has ``STYLE`` and the class ``report`` around it."""
    wording = Wording(language, report.zone)
    parts = [
        "<main>",
        f'<header><h1>{escape(wording.title(report))}</h1><p class="when">'
        f"{escape(wording.period(report.period))}</p></header>",
        *(f'<p class="headline">{escape(wording.sentence(note))}</p>' for note in report.notes[:1]),
        *_notes(report.notes[1:], wording),
        *(part for section in report.sections for part in _section(section, wording)),
        f"<footer>{escape(' '.join(closing(report, wording)))}</footer>",
        "</main>",
    ]
    return "\n".join(parts)


def closing(report: Report, wording: Wording) -> list[str]:
    """Return the sentences at the end of a report."""
    return [
        wording.sentence(Note("times_in", (("zone", text(report.zone)),))),
        wording.sentence(Note("made_by", (("version", text(__version__)),))),
    ]


def _section(section: Section, wording: Wording) -> Iterator[str]:
    yield f'<section id="{escape(section.metric)}">'
    yield f"<h2>{escape(wording.word(section.metric))}</h2>"
    yield f'<p class="about">{escape(wording.meaning(section.metric))}</p>'
    for chart in section.charts:
        caption = escape(wording.word(chart.name))
        yield f"<figure><figcaption>{caption}</figcaption>{charts.svg(chart, wording)}</figure>"
    for table in section.tables:
        if table.name is not None:
            yield f"<h3>{escape(wording.word(table.name))}</h3>"
        yield _tiles(table, wording) if section.metric == "summary" else _table(table, wording)
    yield from _notes(section.notes, wording)
    yield "</section>"


def _notes(notes: tuple[Note, ...], wording: Wording) -> Iterator[str]:
    for note in notes:
        yield f'<p class="note">{escape(wording.sentence(note))}</p>'


def _tiles(table: Table, wording: Wording) -> str:
    """Return figures as tiles: what it is, how much, and how that differs from before."""
    tiles = []
    for figure, value, *more in table.rows:
        said = [wording.said(each) for each in more]
        below = "".join(f"<span>{escape(each)}</span>" for each in said if each != NOTHING)
        tiles.append(
            f'<div class="tile"><span>{escape(wording.said(figure))}</span>'
            f"<b>{escape(wording.said(value))}</b>{below}</div>"
        )
    return f'<div class="tiles">{"".join(tiles)}</div>'


def _table(table: Table, wording: Wording) -> str:
    sheet = laid_out(table, wording)
    marks = [_mark(column) for column in sheet.columns]
    head = "".join(
        f'<th scope="col"{mark}>{escape(column.name)}</th>'
        for column, mark in zip(sheet.columns, marks, strict=True)
    )
    rows = "".join(
        "<tr>"
        + "".join(f"<td{mark}>{_said(said)}</td>" for said, mark in zip(row, marks, strict=True))
        + "</tr>"
        for row in sheet.rows
    )
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'


def _mark(column: Column) -> str:
    if column.is_number:
        return ' class="n"'
    return ' class="w"' if column.share is None else ""


def _said(said: Said) -> str:
    if said.target is None:
        return escape(said.text)
    return f'<a href="{escape(said.target)}" rel="noopener noreferrer">{escape(said.text)}</a>'
