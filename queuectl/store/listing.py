"""Read tasks and batches: one by its number, or those that match a selection."""

from __future__ import annotations

import json

from queuectl.domain.batch import Batch
from queuectl.domain.lifecycle import State
from queuectl.domain.selection import Selection
from queuectl.domain.task import Task
from queuectl.domain.visible import storable
from queuectl.store import history
from queuectl.store.database import Row, Transaction
from queuectl.store.rows import placeholders

_COLUMNS = (
    "id, url, handler, queue, priority_score, state, fence, attempt, max_retries, timeout, memory_limit, batch_id,"
    " metadata, created_at, run_at, due_at, started_at, finished_at, cancel_requested, error, result"
)


def task(transaction: Transaction, number: int) -> Task | None:
    """Return a task with its attempts."""
    rows = transaction.rows(f"SELECT {_COLUMNS} FROM tasks WHERE id = %s", (number,))
    if not rows:
        return None
    found = _task(rows[0])
    return Task(
        **{name: getattr(found, name) for name in Task.__slots__}
        | {"attempts": history.attempts_of(transaction, number)}
    )


def tasks(transaction: Transaction, selection: Selection) -> list[Task]:
    """Return the tasks that match, the newest first, without their attempts."""
    conditions, params = _conditions(transaction, selection)
    rows = transaction.rows(
        f"SELECT {_COLUMNS} FROM tasks WHERE {' AND '.join(conditions) or 'true'} ORDER BY id DESC LIMIT %s",
        (*params, selection.limit),
    )
    return [_task(row) for row in rows]


def states_of(transaction: Transaction, numbers: list[int]) -> dict[int, State]:
    """Return the state of each of these tasks that exists."""
    rows = transaction.rows(f"SELECT id, state FROM tasks WHERE id IN ({placeholders(numbers)})", numbers)
    return {number: State(state) for number, state in rows}


def batch(transaction: Transaction, number: int) -> Batch | None:
    """Return a batch by its number."""
    rows = transaction.rows(
        "SELECT id, name, created_at, interval_minutes, submitted FROM batches WHERE id = %s", (number,)
    )
    return Batch(*rows[0]) if rows else None


def _conditions(transaction: Transaction, selection: Selection) -> tuple[list[str], list[object]]:
    conditions: list[str] = []
    params: list[object] = []
    for column, wanted in (("id", selection.ids), ("state", selection.states), ("queue", selection.queues)):
        if wanted:
            conditions.append(f"{column} IN ({placeholders(wanted)})")
            params.extend(str(value) if column != "id" else value for value in wanted)
    for condition, value in (
        ("host = %s", selection.host and selection.host.lower()),
        (_contains(transaction, "url"), selection.url and storable(selection.url)),
        (_contains(transaction, "error"), selection.error and storable(selection.error)),
        ("created_at >= %s", selection.since),
        ("created_at < %s", selection.until),
        ("id < %s", selection.after),
    ):
        if value is not None:
            conditions.append(condition)
            params.append(value)
    if selection.states and set(selection.states) <= {State.DISPATCHED, State.RUNNING}:
        conditions.append("node IS NOT NULL")  # the few rows of an index, where the table may have a million
    if selection.batch is not None:
        # A batch's tasks lie between two numbers, so the primary key finds them without another index.
        conditions.append(
            "batch_id = %s AND id BETWEEN COALESCE((SELECT first_task FROM batches WHERE id = %s), 1)"
            " AND COALESCE((SELECT last_task FROM batches WHERE id = %s), 0)"
        )
        params.extend([selection.batch] * 3)
    return conditions, params


def _contains(transaction: Transaction, column: str) -> str:
    if transaction.database.engine == "sqlite":
        return f"contains_text({column}, %s)"
    return f"strpos(lower({column}), lower(%s)) > 0"


def _task(row: Row) -> Task:
    values = list(row)
    values[5] = State(values[5])
    values[12] = json.loads(values[12])
    values[18] = bool(values[18])
    values[20] = None if values[20] is None else json.loads(values[20])
    return Task(*values)
