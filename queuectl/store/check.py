"""Look for damage: in the file, and between the kept counts and the tasks they count."""

from __future__ import annotations

from queuectl.domain.task import batch_name
from queuectl.store import counters
from queuectl.store.database import Transaction


def damage(transaction: Transaction) -> str | None:
    """Return what SQLite finds wrong with its file; PostgreSQL watches over itself."""
    if transaction.database.engine == "postgresql":
        return None
    found = str(transaction.rows("PRAGMA quick_check(1)")[0][0])
    return None if found == "ok" else found


def wrong_counts(transaction: Transaction) -> list[str]:
    """Return a sentence for each kept count that differs from the number of tasks."""
    kept, real = counters.read(transaction), counters.count_rows(transaction)
    return [
        f"{queue} {state}: {kept.get((queue, state), 0)} kept, {real.get((queue, state), 0)} stored"
        for queue, state in sorted(kept.keys() | real.keys())
        if kept.get((queue, state), 0) != real.get((queue, state), 0)
    ] + _wrong_batches(transaction)


def _wrong_batches(transaction: Transaction) -> list[str]:
    """Return a sentence for each batch with a wrong count; those whose tasks are partly removed cannot be compared."""
    whole = (
        "SELECT batches.id FROM batches JOIN tasks ON tasks.batch_id = batches.id"
        " GROUP BY batches.id, batches.submitted HAVING COUNT(*) = batches.submitted"
    )
    rows = transaction.rows(
        "SELECT id, state, SUM(kept), SUM(stored) FROM ("
        " SELECT batch_id AS id, state, tasks AS kept, 0 AS stored FROM batch_counters"
        " UNION ALL SELECT batch_id, state, 0, 1 FROM tasks WHERE finished_at IS NOT NULL) AS compared"
        f" WHERE id IN ({whole}) GROUP BY id, state HAVING SUM(kept) <> SUM(stored) ORDER BY id, state"
    )
    return [
        f"{batch_name(batch)} {state}: {kept} kept, {stored} stored" for batch, state, kept, stored in rows
    ]
