"""Batches and how far they are, found without counting their tasks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from queuectl.store.database import Transaction
from queuectl.store.rows import placeholders

_DUE_LOOKED_AT = 10_000

_OF_BATCH = "tasks.id BETWEEN batches.first_task AND batches.last_task AND tasks.batch_id = batches.id"
_COLUMNS = (
    "id, name, created_at, interval_minutes, submitted, first_task, last_task,"
    " (SELECT COALESCE((SELECT MIN(attempts.started_at) FROM attempts WHERE attempts.task_id = tasks.id),"
    f" tasks.started_at) FROM tasks WHERE {_OF_BATCH} ORDER BY tasks.id LIMIT 1),"
    f" (SELECT tasks.run_at FROM tasks WHERE {_OF_BATCH} ORDER BY tasks.id DESC LIMIT 1)"
)


@dataclass(frozen=True, slots=True)
class BatchRecord:
    """A batch as it is stored: its tasks have numbers from ``first_task`` to ``last_task``, among others.

    ``started_at`` is when its first task first started, ``planned_until`` when its last one may; both and
    ``created_at`` are UTC milliseconds.
    """

    id: int
    name: str | None
    created_at: int
    interval_minutes: float
    submitted: int
    first_task: int
    last_task: int
    started_at: int | None
    planned_until: int | None


def one(transaction: Transaction, number: int) -> BatchRecord | None:
    """Return a batch by its number."""
    rows = transaction.rows(f"SELECT {_COLUMNS} FROM batches WHERE id = %s", (number,))
    return BatchRecord(*rows[0]) if rows else None


def newest(transaction: Transaction, limit: int) -> list[BatchRecord]:
    """Return batches, the newest first."""
    rows = transaction.rows(f"SELECT {_COLUMNS} FROM batches ORDER BY id DESC LIMIT %s", (limit,))
    return [BatchRecord(*row) for row in rows]


def running(transaction: Transaction, numbers: Sequence[int]) -> Counter[int]:
    """Return how many tasks of these batches run at this moment."""
    rows = transaction.rows(
        "SELECT batch_id, COUNT(*) FROM tasks WHERE node IS NOT NULL AND state = 'running'"
        f" AND batch_id IN ({placeholders(numbers)}) GROUP BY batch_id",
        numbers,
    )
    return Counter({batch: int(count) for batch, count in rows})


def recent_ends(
    transaction: Transaction, numbers: Sequence[int], since: int, limit: int
) -> dict[int, tuple[int, int]]:
    """Return for each of these batches how many of the last ``limit`` ends are its own, and the first one's time.

    Only ends since a moment count.
    """
    rows = transaction.rows(
        "SELECT batch_id, COUNT(*), MIN(finished_at) FROM (SELECT batch_id, finished_at FROM tasks"
        " WHERE finished_at IS NOT NULL AND finished_at >= %s ORDER BY finished_at DESC LIMIT %s) AS latest"
        f" WHERE batch_id IN ({placeholders(numbers)}) GROUP BY batch_id",
        (since, limit, *numbers),
    )
    return {batch: (int(count), int(first)) for batch, count, first in rows}


def next_due(transaction: Transaction, batch: BatchRecord) -> int | None:
    """Return when the next task of a batch falls due, looked for among the next ten thousand of all."""
    rows = transaction.rows(
        "SELECT MIN(due_at) FROM (SELECT id, batch_id, due_at FROM tasks WHERE state IN ('scheduled', 'retrying')"
        f" ORDER BY due_at, id LIMIT {_DUE_LOOKED_AT:d}) AS coming WHERE id BETWEEN %s AND %s AND batch_id = %s",
        (batch.first_task, batch.last_task, batch.id),
    )
    value: int | None = rows[0][0]
    return value
