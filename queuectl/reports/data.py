"""A report for programs: JSON, whose form has a version, and CSV, which spreadsheets open as well."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from queuectl.domain.report import Cell, Chart, Kind, Note, Report, Section, Table
from queuectl.domain.visible import visible, visible_json
from queuectl.reports.wording import Language, Wording
from queuectl.times import iso, zone_named

VERSION = 1

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")
_MOMENTS = {Kind.MOMENT, Kind.DAY, Kind.DATE, Kind.HOUR, Kind.CLOCK}
_LONGEST_CELL = 2_000


def json_document(report: Report, language: Language) -> str:
    """Return the report as one JSON document: values are plain, and names are the same in every language."""
    wording = Wording(language, report.zone)
    document = {
        "version": VERSION,
        "kind": report.period.kind,
        "title": wording.title(report),
        "language": language,
        "period": {
            "start": iso(report.period.begin),
            "end": iso(report.period.end),
            "until": iso(report.period.until),
            "is_over": report.period.is_over,
            "timezone": report.zone,
            "shown": wording.period(report.period),
        },
        "notes": [_note(note, wording) for note in report.notes],
        "sections": {section.metric: _section(section, wording) for section in report.sections},
    }
    return visible_json(json.dumps(document, ensure_ascii=False, indent=2)) + "\n"


def _section(section: Section, wording: Wording) -> dict[str, Any]:
    return {
        "title": wording.word(section.metric),
        "meaning": wording.meaning(section.metric),
        "tables": [_table(table, wording) for table in section.tables],
        "charts": [_chart(chart, wording) for chart in section.charts],
        "notes": [_note(note, wording) for note in section.notes],
    }


def _table(table: Table, wording: Wording) -> dict[str, Any]:
    rows = [
        {column: _plain(cell) for column, cell in zip(table.columns, row, strict=True)} for row in table.rows
    ]
    columns = [
        {"name": column, "title": wording.word(column), "kind": _kind(table, place)}
        for place, column in enumerate(table.columns)
    ]
    title = None if table.name is None else wording.word(table.name)
    return {"name": table.name, "title": title, "columns": columns, "rows": rows}


def _chart(chart: Chart, wording: Wording) -> dict[str, Any]:
    return {
        "name": chart.name,
        "title": wording.word(chart.name),
        "kind": chart.kind.value,
        "axis": [_plain(cell) for cell in chart.axis],
        "series": {str(series.name.value): list(series.values) for series in chart.series},
    }


def _kind(table: Table, place: int) -> str | None:
    """Return what the values of a column are; "mixed" where every row has a figure of its own."""
    kinds = {row[place].kind for row in table.rows}
    if not kinds:
        return None
    return kinds.pop().value if len(kinds) == 1 else "mixed"


def _note(note: Note, wording: Wording) -> dict[str, Any]:
    values = {name: _plain(cell) for name, cell in note.values}
    return {"name": note.key, "text": wording.sentence(note), "values": values}


def _plain(cell: Cell) -> int | float | str | None:
    if cell.kind in _MOMENTS and cell.value is not None:
        return iso(int(cell.value))
    return cell.value


def csv_text(report: Report, language: Language) -> str:
    """Return the report as CSV: for each table a line with its name, then its columns, its rows and an empty line.

    Numbers are plain, durations in seconds, shares of 1, and moments in the report's zone.
    """
    wording = Wording(language, report.zone)
    lines = io.StringIO()
    # Spreadsheets take a file without this mark for one in the encoding of their country.
    lines.write("\ufeff")
    writer = csv.writer(lines, lineterminator="\r\n")
    writer.writerow([harmless(f"{wording.title(report)}: {wording.period(report.period)}")])
    for note in report.notes:
        writer.writerow([harmless(wording.sentence(note))])
    for section in report.sections:
        for table in section.tables:
            writer.writerow([])
            name = wording.word(section.metric)
            if table.name is not None:
                name = f"{name}: {wording.word(table.name)}"
            writer.writerow([harmless(name)])
            writer.writerow([harmless(_headed(table, place, wording)) for place in range(len(table.columns))])
            writer.writerows([_csv_row(table, row, wording) for row in table.rows])
        for note in section.notes:
            writer.writerow([harmless(wording.sentence(note))])
    return lines.getvalue()


def harmless(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula: one that looks like it gets an apostrophe in front."""
    return f"'{text}" if text.lstrip(" ").startswith(_FORMULA) else text


def _headed(table: Table, place: int, wording: Wording) -> str:
    name = wording.word(table.columns[place])
    return f"{name} (s)" if _kind(table, place) == Kind.DURATION else name


def _csv_row(table: Table, row: Sequence[Cell], wording: Wording) -> list[str | int | float]:
    values = [_in_csv(cell, wording) for cell in row]
    if table.columns[0] == "figure" and row[1].kind is Kind.DURATION:
        values[0] = f"{values[0]} (s)"
    return values


def _in_csv(cell: Cell, wording: Wording) -> str | int | float:
    value = cell.value
    if value is None:
        return ""
    match cell.kind:
        case Kind.TEXT | Kind.LINK:
            return harmless(visible(str(value), _LONGEST_CELL))
        case Kind.WORD:
            return harmless(wording.word(str(value)))
        case Kind.DURATION:
            return float(value) / 1_000
        case Kind.MOMENT | Kind.DAY | Kind.HOUR | Kind.CLOCK:
            moment = datetime.fromtimestamp(float(value) / 1_000, zone_named(wording.zone))
            return f"{moment:%Y-%m-%d}" if cell.kind is Kind.DAY else f"{moment:%Y-%m-%d %H:%M:%S}"
        case _:
            return float(value) if isinstance(value, float) else int(value)
