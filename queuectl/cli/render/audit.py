"""How the audit and undoing are shown, and their shapes in JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from queuectl.cli.render.facts import Facts
from queuectl.cli.render.grid import Cell, Column, Grid, Styled
from queuectl.cli.render.style import BAD, CAREFUL, FAINT, GOOD, STRONG
from queuectl.cli.render.words import count
from queuectl.domain.audit import AuditLine
from queuectl.times import shown

if TYPE_CHECKING:
    from queuectl.operations.audit import Verification
    from queuectl.store.audit import Summary

_GROUPED = 3


def operation_grid(found: Sequence[Summary], zone: str) -> Grid:
    """Return operations as rows."""
    columns = (
        Column("OPERATION", "right"),
        Column("WHEN"),
        Column("WHO", flexible=True),
        Column("VERB"),
        Column("ON", flexible=True),
        Column("THINGS", "right"),
        Column("UNDO"),
    )
    return Grid(columns, [_operation_row(each, zone) for each in found])


def _operation_row(summary: Summary, zone: str) -> list[Cell]:
    first = summary.first
    return [
        str(first.operation),
        Styled(shown(first.at, zone), FAINT),
        f"{first.who}@{first.host}",
        Styled(first.verb, STRONG),
        first.target,
        f"{summary.things:,}",
        _undo_cell(summary),
    ]


def _undo_cell(summary: Summary) -> Cell:
    if summary.undone_by is not None:
        return f"undone by {summary.undone_by}"
    if summary.first.undoes is not None:
        return f"of {summary.first.undoes}"
    return Styled("possible", FAINT) if summary.kept else ""


def operation_facts(summary: Summary, lines: Sequence[AuditLine], zone: str) -> Facts:
    """Return everything about one operation."""
    first = summary.first
    rows: list[tuple[str, Cell]] = [
        ("operation", Styled(str(first.operation), STRONG)),
        ("verb", first.verb),
        ("on", first.target),
        ("who", first.who),
        ("host", first.host),
        ("when", shown(first.at, zone)),
        ("things", f"{summary.things:,}"),
    ]
    if summary.lines > 1:
        rows.append(("groups", f"{summary.lines:,}, the last at {shown(summary.ended_at, zone)}"))
    if first.undoes is not None:
        rows.append(("undoes", str(first.undoes)))
    if summary.undone_by is not None:
        rows.append(("undone by", str(summary.undone_by)))
    for line in lines[:_GROUPED]:
        tag = f" {line.number}" if summary.lines > 1 else ""
        rows += [
            (f"{name}{tag}", text) for name, text in (("before", line.before), ("after", line.after)) if text
        ]
    rows += [("hash", Styled(first.hash, FAINT)), ("key", first.key)]
    return Facts(rows)


def verification_facts(found: Verification) -> Facts:
    """Return the same for people."""
    verdict = found.verdict
    rows: list[tuple[str, Cell]] = [("lines", f"{verdict.lines:,}"), ("last hash", verdict.last_hash)]
    if found.key is None:
        rows.append(("key", Styled(f"none: there is no {found.key_file}", CAREFUL)))
    else:
        rows.append(("key", f"{found.key} in {found.key_file}"))
    if verdict.faulty:
        rows += [("fault", Styled(fault, BAD, "✗")) for fault in verdict.faults]
        if verdict.faulty > len(verdict.faults):
            rows.append(("fault", f"and {verdict.faulty - len(verdict.faults):,} more"))
    else:
        rows.append(("chain", Styled("every line follows the one before it", GOOD, "✓")))
    for name, number in verdict.unchecked.items():
        rows.append(
            ("not checked", Styled(f"the seals of {count(number, 'line')} by the key {name}", CAREFUL))
        )
    if verdict.sound and found.complete:
        rows.append(("seals", Styled("every line was written with the key", GOOD, "✓")))
    return Facts(rows)
