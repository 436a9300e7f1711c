"""How the audit and undoing are shown, and their shapes in JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from queuectl.cli.render.facts import Facts
from queuectl.cli.render.grid import Cell, Column, Grid, Styled
from queuectl.cli.render.style import BAD, CAREFUL, FAINT, GOOD, STRONG
from queuectl.cli.render.words import count
from queuectl.domain.audit import AuditLine
from queuectl.domain.task import task_name
from queuectl.times import iso, shown

if TYPE_CHECKING:
    from queuectl.domain.undo import UndoPlan, UndoResult
    from queuectl.operations.audit import Verification
    from queuectl.store.audit import Summary

_GROUPED = 3


def operation_shape(summary: Summary) -> dict[str, Any]:
    """Return an operation."""
    first = summary.first
    return {
        "operation": first.operation,
        "at": iso(first.at),
        "ended_at": iso(summary.ended_at),
        "who": first.who,
        "host": first.host,
        "verb": first.verb,
        "target": first.target,
        "things": summary.things,
        "lines": summary.lines,
        "undoes": first.undoes,
        "undone_by": summary.undone_by,
        "can_be_undone": summary.kept,
    }


def line_shape(line: AuditLine) -> dict[str, Any]:
    """Return one line with its hash and seal."""
    return {
        "number": line.number,
        "at": iso(line.at),
        "things": line.things,
        "before": _values(line.before),
        "after": _values(line.after),
        "key": line.key,
        "hash": line.hash,
        "seal": line.seal,
    }


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


def verification_shape(found: Verification) -> dict[str, Any]:
    """Return what an examination came to."""
    verdict = found.verdict
    return {
        "sound": verdict.sound,
        "complete": found.complete,
        "lines": verdict.lines,
        "last_hash": verdict.last_hash,
        "findings": verdict.faulty,
        "faults": verdict.faults,
        "key": found.key,
        "key_file": str(found.key_file),
        "unchecked": dict(verdict.unchecked),
    }


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


def plan_shape(plan: UndoPlan) -> dict[str, Any]:
    """Return what undoing would do."""
    return {
        "undone": plan.number,
        "verb": plan.verb,
        "target": plan.target,
        "tasks": {name: plan.outcomes[name] for name in ("done", "changed", "ran", "missing")},
        "undone_by": plan.undone_by,
        "dry_run": True,
    }


def result_shape(result: UndoResult) -> dict[str, Any]:
    """Return what undoing came to."""
    from queuectl.domain.bulk import Outcome

    return {
        "undone": result.undone,
        "operation": result.operation,
        "done": result.done,
        "ran": result.ran,
        "outcomes": {outcome.value: result.outcomes[outcome] for outcome in Outcome},
        "put_back": result.put_back,
        "left": result.kept_as_is,
        "left_tasks": [{"id": task_name(each.id), "state": each.state} for each in result.left],
        "stopped": result.stopped,
    }


def _values(text: str | None) -> Any:
    """Return a line's values; whoever has spoilt them must not stop others from seeing the rest."""
    if text is None:
        return None
    try:
        return json.loads(text)
    except ValueError:
        return text
