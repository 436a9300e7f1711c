"""A report as Markdown with tables, in which nothing that came from outside is read as markup."""

from __future__ import annotations

import re
from collections.abc import Iterator

from queuectl.domain.report import Cell, Kind, Report, Section, Table
from queuectl.reports.html import closing
from queuectl.reports.wording import Language, Wording

_MARKS = re.compile(r"([\\`*_{}\[\]|~<>&$^])|(?<=\w):(?=[^\s\d])|(?<=www)\.", re.IGNORECASE)
_LINKABLE = re.compile(r"https?://[\w./?=&%~#:@!$'()*+,;-]+", re.ASCII)
_LEFT = {Kind.WORD, Kind.TEXT, Kind.LINK, Kind.DAY, Kind.HOUR, Kind.CLOCK, Kind.MOMENT}


def markdown(report: Report, language: Language) -> str:
    """Return the whole file as text."""
    wording = Wording(language, report.zone)
    title = escaped(f"{wording.title(report)}: {wording.period(report.period)}")
    parts = [
        f"# {title}",
        *(escaped(wording.sentence(note)) for note in report.notes),
        *(part for section in report.sections for part in _section(section, wording)),
        "---",
        escaped(" ".join(closing(report, wording))),
    ]
    return "\n\n".join(parts) + "\n"


def escaped(text: str) -> str:
    """Return a line so that Markdown shows exactly this text, and no address in it becomes a link.

    What only means something at the beginning of a line is left alone: no line begins with a text from outside.
    """
    return _MARKS.sub(lambda match: f"\\{match[0]}", text)


def _section(section: Section, wording: Wording) -> Iterator[str]:
    yield f"## {escaped(wording.word(section.metric))}"
    yield escaped(wording.meaning(section.metric))
    for table in section.tables:
        if table.name is not None:
            yield f"### {escaped(wording.word(table.name))}"
        yield _table(table, wording)
    for note in section.notes:
        yield f"> {escaped(wording.sentence(note))}"


def _table(table: Table, wording: Wording) -> str:
    head = " | ".join(escaped(wording.word(column)) for column in table.columns)
    rule = " | ".join(_rule(table, place) for place in range(len(table.columns)))
    rows = [" | ".join(_said(cell, wording) for cell in row) for row in table.rows]
    return "\n".join(f"| {line} |" for line in (head, rule, *rows))


def _said(cell: Cell, wording: Wording) -> str:
    if cell.kind is Kind.LINK and _LINKABLE.fullmatch(str(cell.value)):
        return f"<{cell.value}>"
    return escaped(wording.said(cell))


def _rule(table: Table, place: int) -> str:
    kinds = {row[place].kind for row in table.rows}
    return "---:" if kinds and not kinds & _LEFT else "---"
