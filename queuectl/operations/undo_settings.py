"""Undo for queues' settings and for schedules: each value that is still as the operation left it goes back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from queuectl.domain.audit import AuditLine
from queuectl.domain.queue_limits import read_limits, written
from queuectl.domain.schedule import Schedule
from queuectl.domain.undo import UndoResult
from queuectl.errors import ScheduleExistsError
from queuectl.operations import schedule_changes
from queuectl.operations.auditing import Operation
from queuectl.operations.queue_control import set_limits
from queuectl.store import queues, schedules
from queuectl.store.database import Transaction


def put_back(operation: Operation, line: AuditLine, kept: Mapping[str, Any], result: UndoResult) -> None:
    """Undo what a line says; ``kept`` says what it is about."""
    before, after = (json.loads(text or "{}") for text in (line.before, line.after))
    try:
        with operation.writing() as transaction:
            if "queue" in kept and "paused" in after:
                _switch_queue(transaction, operation, kept["queue"], before, after, result)
            elif "queue" in kept:
                _set_limits(transaction, operation, kept["queue"], before, after, result)
            elif "removed" in kept:
                schedule_changes.put_back(transaction, operation, kept["removed"])
                result.put_back.append(f"the schedule {line.target} is there again")
            else:
                _change_schedule(transaction, operation, kept, before, result)
    except ScheduleExistsError:
        result.put_back.clear()
        result.kept_as_is.append(f"there is another schedule {line.target} by now")


def _switch_queue(
    transaction: Transaction,
    operation: Operation,
    queue: str,
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    result: UndoResult,
) -> None:
    word = "paused" if before["paused"] else "open"
    if queues.set_paused(transaction, queue, paused=before["paused"]):
        operation.note(transaction, before=after, after=before, kept={"queue": queue})
        result.put_back.append(f"{queue} is {word} again")
    else:
        result.kept_as_is.append(f"{queue} is {word} already")


def _set_limits(
    transaction: Transaction,
    operation: Operation,
    queue: str,
    before: Mapping[str, str],
    after: Mapping[str, str],
    result: UndoResult,
) -> None:
    rules = queues.lock(transaction, queue)
    present = {key: written(getattr(rules, key)) for key in after}
    back = {key: before[key] for key in after if present[key] == after[key]}
    changed = set_limits(transaction, queue, read_limits(back)) if back else []
    if changed:
        operation.note(
            transaction,
            before={each.key: each.before for each in changed},
            after={each.key: each.after for each in changed},
            kept={"queue": queue},
        )
    result.put_back += [f"{each.key} of {queue} is {each.after} again" for each in changed]
    result.kept_as_is += [
        f"{key} of {queue} is {present[key]} by now" for key in after if present[key] != after[key]
    ]


def _change_schedule(
    transaction: Transaction,
    operation: Operation,
    kept: Mapping[str, Any],
    before: Mapping[str, Any],
    result: UndoResult,
) -> None:
    number = kept.get("added", kept.get("schedule"))
    schedule = next((each for each in schedules.every(transaction) if each.id == number), None)
    if schedule is None:
        result.kept_as_is.append("the schedule was removed since")
    elif "added" in kept:
        schedule_changes.remove(transaction, operation, schedule)
        result.put_back.append(f"the schedule {schedule.name} is removed again; its tasks stay")
    else:
        _switch_schedule(transaction, operation, schedule, before, result)


def _switch_schedule(
    transaction: Transaction,
    operation: Operation,
    schedule: Schedule,
    before: Mapping[str, Any],
    result: UndoResult,
) -> None:
    paused = before["paused"]
    word = "paused" if paused else "on"
    if schedule_changes.set_paused(transaction, schedule, paused=paused):
        operation.note(
            transaction,
            before={"paused": not paused},
            after={"paused": paused},
            kept={"schedule": schedule.id},
        )
        result.put_back.append(f"{schedule.name} is {word} again")
    else:
        result.kept_as_is.append(f"{schedule.name} is {word} already")
