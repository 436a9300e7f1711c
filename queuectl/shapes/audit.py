"""The audit, its examination, and undoing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from queuectl.domain.audit import AuditLine
from queuectl.domain.task import task_name
from queuectl.times import iso

if TYPE_CHECKING:
    from queuectl.domain.undo import UndoPlan, UndoResult
    from queuectl.operations.audit import Verification
    from queuectl.store.audit import Summary


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
        "before": line_values(line.before),
        "after": line_values(line.after),
        "key": line.key,
        "hash": line.hash,
        "seal": line.seal,
    }


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
        "reason": None if result.reason is None else result.reason.message,
    }


def line_values(text: str | None) -> Any:
    """Return a line's values; whoever has spoilt them must not stop others from seeing the rest."""
    if text is None:
        return None
    try:
        return json.loads(text)
    except ValueError:
        return text
