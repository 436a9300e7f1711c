"""Look for damage: in the file, and between the kept counts and the tasks they count."""

from __future__ import annotations

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
    ]
