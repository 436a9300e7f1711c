"""Batches and their progress, as a table, as facts and as JSON."""

from __future__ import annotations

from collections.abc import Sequence

from queuectl.cli.render.facts import Facts
from queuectl.cli.render.grid import Cell, Column, Grid, Styled
from queuectl.cli.render.style import ACCENT, BAD, FAINT, GOOD, STRONG
from queuectl.cli.render.words import brief, count, duration
from queuectl.domain.batch import BatchStatus
from queuectl.domain.task import batch_name
from queuectl.times import shown

_BAR_IN_LIST = 5
_BAR_ALONE = 20
_BEFORE_STARTED = 6


def batch_grid(batches: Sequence[BatchStatus], now: int) -> Grid:
    """Return batches as a list; cancelled tasks have a column only if there are any."""
    columns = [
        Column("BATCH"),
        Column("NAME", flexible=True),
        Column("PROGRESS"),
        Column("OPEN", "right"),
        Column("SUCCEEDED", "right"),
        Column("DEAD", "right"),
        Column("STARTED", spare=True),
        Column("END"),
    ]
    rows: list[list[Cell]] = [
        [
            Styled(batch_name(each.id), ACCENT),
            each.name or "",
            _progress(each, _BAR_IN_LIST),
            _number(each.open),
            _number(each.succeeded, GOOD),
            _number(each.dead, BAD),
            f"{brief(now - each.started_at)} ago" if each.started_at is not None else "-",
            _end(each, now),
        ]
        for each in batches
    ]
    if any(each.cancelled for each in batches):
        columns.insert(_BEFORE_STARTED, Column("CANCELLED", "right"))
        for row, each in zip(rows, batches, strict=True):
            row.insert(_BEFORE_STARTED, _number(each.cancelled))
    return Grid(tuple(columns), rows)


def _progress(batch: BatchStatus, columns: int) -> Cell:
    fraction = _shown_fraction(batch)
    full = round(fraction * columns)
    bar = "▰" * full + "▱" * (columns - full)
    return Styled(f"{fraction:.0%}", GOOD if not batch.open else "", drawn=f"{bar} {fraction:4.0%}")


def _shown_fraction(batch: BatchStatus) -> float:
    """Return the part that has ended; it is 100 % only when all has."""
    return min(batch.fraction, 0.99) if batch.open else 1.0


def _number(number: int, style: str = "") -> Cell:
    return Styled(f"{number:,}", style if number else FAINT)


def _end(batch: BatchStatus, now: int) -> str:
    if batch.finished_at is not None:
        return f"{brief(now - batch.finished_at)} ago"
    if batch.expected_at is None:
        return "-"
    return f"in {brief(batch.expected_at - now)}"


def batch_facts(batch: BatchStatus, zone: str, now: int) -> Facts:
    """Return everything about one batch."""
    rows: list[tuple[str, Cell | None]] = [
        ("batch", Styled(batch_name(batch.id), STRONG)),
        ("name", batch.name),
        ("progress", _progress(batch, _BAR_ALONE)),
        ("tasks", f"{batch.ended:,} of {batch.submitted:,} have ended"),
        ("succeeded", _number(batch.succeeded, GOOD)),
        ("dead", _number(batch.dead, BAD)),
        ("cancelled", _number(batch.cancelled)),
        (
            "open",
            f"{batch.open:,}, of which {batch.running:,} {'runs' if batch.running == 1 else 'run'} now"
            if batch.running
            else _number(batch.open),
        ),
        ("submitted", shown(batch.created_at, zone)),
        ("interval", _interval(batch.interval_minutes)),
        ("started", _time(batch.started_at, zone)),
        ("next due", _ahead(batch.next_due_at, zone, now)),
        ("last planned", _ahead(batch.planned_until, zone, now) if batch.open else None),
        ("pace", _pace(batch)),
        ("finished", _time(batch.finished_at, zone)),
        ("expected end", _expected(batch, zone, now)),
    ]
    return Facts([(name, cell) for name, cell in rows if cell is not None])


def _interval(minutes: float) -> str | None:
    return f"one every {count_of_minutes(minutes)}" if minutes else None


def count_of_minutes(minutes: float) -> str:
    """Return a number of minutes in words."""
    return f"{minutes:g} minute" if minutes == 1 else f"{minutes:g} minutes"


def _time(at: int | None, zone: str) -> str | None:
    return None if at is None else shown(at, zone)


def _ahead(at: int | None, zone: str, now: int) -> str | None:
    if at is None:
        return None
    return f"{shown(at, zone)} (in {duration(at - now)})" if at > now else shown(at, zone)


def _pace(batch: BatchStatus) -> str | None:
    if not batch.open or batch.per_minute is None or batch.interval_minutes:
        return None  # spread over time, a batch has the pace of its interval
    if batch.per_minute >= 1:
        return f"{count(round(batch.per_minute), 'task')} a minute lately"
    return f"one task in {duration(round(60_000 / batch.per_minute))} lately"


def _expected(batch: BatchStatus, zone: str, now: int) -> str | None:
    if not batch.open:
        return None
    if batch.expected_at is None:
        return "not known: no task has ended lately"
    return f"about {shown(batch.expected_at, zone)} (in {duration(batch.expected_at - now)})"
