"""A table as it is laid out on a page: what each column is called, how wide it is, and where a cell leads."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from queuectl.domain.report import Cell, Kind, Table
from queuectl.reports.wording import NOTHING, Wording

_NUMBERS = {Kind.COUNT, Kind.NUMBER, Kind.SHARE, Kind.CHANGE, Kind.POINTS, Kind.DURATION}
_WIDE = {"title": 3, "page": 3, "error": 3, "host": 2, "schedule": 2, "account": 1}


@dataclass(frozen=True, slots=True)
class Column:
    """A column; ``share`` is its part of the width that is left by those that need only what they hold (None)."""

    name: str
    is_number: bool
    share: int | None


@dataclass(frozen=True, slots=True)
class Said:
    """A cell in words; ``target`` is the http or https address that it leads to."""

    text: str
    target: str | None = None


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table in words; where it has titles and addresses of pages, a title leads to its page."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[Said, ...], ...]


def laid_out(table: Table, wording: Wording) -> Sheet:
    """Return a table as it is shown on a page."""
    names = table.columns
    merged = names.index("page") if {"title", "page"} <= set(names) else None
    columns = tuple(
        Column(wording.word(name), _is_number(table, place), _WIDE.get(name))
        for place, name in enumerate(names)
        if place != merged
    )
    rows = tuple(_row(names, row, merged, wording) for row in table.rows)
    return Sheet(columns, rows)


def _is_number(table: Table, place: int) -> bool:
    kinds = {row[place].kind for row in table.rows}
    return bool(kinds) and kinds <= _NUMBERS


def _row(
    names: tuple[str, ...], row: tuple[Cell, ...], merged: int | None, wording: Wording
) -> tuple[Said, ...]:
    page = None if merged is None else row[merged]
    return tuple(
        _with_page(cell, page, wording)
        if name == "title" and page is not None
        else Said(wording.said(cell), target(cell))
        for place, (name, cell) in enumerate(zip(names, row, strict=True))
        if place != merged
    )


def _with_page(title: Cell, page: Cell, wording: Wording) -> Said:
    said = wording.said(title)
    return Said(wording.said(page) if said == NOTHING else said, target(page))


def target(cell: Cell) -> str | None:
    """Return where a cell leads: an http or https address, and nothing else that a reader could be sent to."""
    value = cell.value
    if cell.kind is not Kind.LINK or not isinstance(value, str):
        return None
    if any(mark.isspace() or not mark.isprintable() for mark in value):
        return None
    try:
        parts = urlsplit(value)
        return value if parts.scheme in {"http", "https"} and parts.hostname else None
    except ValueError:
        return None
