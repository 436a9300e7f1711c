"""Look for damage: in the file, between rows that belong together, and between the kept counts and the tasks."""

from __future__ import annotations

from queuectl.domain.lifecycle import FINAL
from queuectl.domain.task import batch_name
from queuectl.store import counters
from queuectl.store.database import Row, Transaction
from queuectl.store.rows import placeholders
from queuectl.store.upkeep import GOES_WITH_TASK


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
    """Return a sentence for each kept count of a batch that differs from its tasks."""
    return [
        f"{batch_name(batch)} {state}: {kept} kept, {stored} stored"
        for batch, state, kept, stored in _batches_apart(transaction)
    ]


def _batches_apart(transaction: Transaction) -> list[Row]:
    """Return (batch, state, kept, stored) where these differ; batches that are partly removed cannot be compared."""
    whole = (
        "SELECT batches.id FROM batches JOIN tasks ON tasks.batch_id = batches.id"
        " GROUP BY batches.id, batches.submitted HAVING COUNT(*) = batches.submitted"
    )
    return transaction.rows(
        "SELECT id, state, SUM(kept), SUM(stored) FROM ("
        " SELECT batch_id AS id, state, tasks AS kept, 0 AS stored FROM batch_counters"
        " UNION ALL SELECT batch_id, state, 0, 1 FROM tasks WHERE finished_at IS NOT NULL) AS compared"
        f" WHERE id IN ({whole}) GROUP BY id, state HAVING SUM(kept) <> SUM(stored) ORDER BY id, state"
    )


def mend_counts(transaction: Transaction) -> int:
    """Set the kept counts to the numbers of tasks; return how many were wrong. Daemons may go on meanwhile."""
    if transaction.database.engine == "postgresql":
        # Whoever has changed counts has committed now, and whoever has moved tasks meanwhile adds to what is set
        # here. The tables are named in the order in which whoever writes to both of them locks them.
        transaction.execute("LOCK TABLE batch_counters, counters IN SHARE ROW EXCLUSIVE MODE")
    kept, real = counters.read(transaction), counters.count_rows(transaction)
    wrong = [key for key in kept.keys() | real.keys() if kept.get(key, 0) != real.get(key, 0)]
    for queue, state in wrong:
        transaction.tally.enter(queue, state, real.get((queue, state), 0) - kept.get((queue, state), 0))
    apart = _batches_apart(transaction)
    if apart:
        counters.count_batches_anew(transaction, sorted({row[0] for row in apart}))
    return len(wrong) + len(apart)


def orphans(transaction: Transaction) -> list[str]:
    """Return a sentence for each table with rows that belong to nothing, and for tasks without their URL's row."""
    found = []
    for table in GOES_WITH_TASK:
        rows = transaction.rows(
            f"SELECT COUNT(*) FROM {table} WHERE NOT EXISTS (SELECT 1 FROM tasks WHERE tasks.id = {table}.task_id)"
        )
        if rows[0][0]:
            found.append(f"rows of {table} that belong to no task: {rows[0][0]}")
    rows = transaction.rows(
        "SELECT COUNT(*) FROM tasks WHERE NOT EXISTS (SELECT 1 FROM task_urls"
        " WHERE task_urls.url_key = tasks.url_key AND task_urls.task_id = tasks.id)"
    )
    if rows[0][0]:
        found.append(f"tasks that are not found by their URL: {rows[0][0]}")
    rows = transaction.rows(
        "SELECT COUNT(*) FROM batch_counters"
        " WHERE NOT EXISTS (SELECT 1 FROM batches WHERE batches.id = batch_counters.batch_id)"
    )
    if rows[0][0]:
        found.append(f"rows of batch_counters that belong to no batch: {rows[0][0]}")
    return found


def wrong_states(transaction: Transaction) -> list[str]:
    """Return a sentence for each way in which tasks' states disagree with their other columns."""
    final = tuple(state.value for state in FINAL)
    asked = (
        ("have ended and no time of it, or have not and one",
         f"(finished_at IS NOT NULL) <> (state IN ({placeholders(final)}))", final),
        ("are in a daemon's hand and name none, or are not and name one",
         "(node IS NOT NULL) <> (state IN ('dispatched', 'running'))", ()),
        ("run and have not started", "state = 'running' AND (started_at IS NULL OR attempt < 1)", ()),
    )  # fmt: skip
    return _told(transaction, "tasks", asked)


def wrong_fences(transaction: Transaction) -> list[str]:
    """Return a sentence for each way in which runs and fences disagree: every run has a fence of its own."""
    tasks = (
        ("were claimed more often than their fence was raised", "attempt > fence", ()),
        ("were given back more often than claimed", "released > attempt", ()),
    )
    attempts = (
        ("are recorded beyond their task's fence or number of runs",
         "EXISTS (SELECT 1 FROM tasks WHERE tasks.id = attempts.task_id"
         " AND (attempts.fence > tasks.fence OR attempts.attempt > tasks.attempt))", ()),
    )  # fmt: skip
    return _told(transaction, "tasks", tasks) + _told(transaction, "attempts", attempts)


def _told(
    transaction: Transaction, table: str, asked: tuple[tuple[str, str, tuple[str, ...]], ...]
) -> list[str]:
    found = []
    for sentence, condition, params in asked:
        count = transaction.rows(f"SELECT COUNT(*) FROM {table} WHERE {condition}", params)[0][0]
        if count:
            found.append(f"{table} that {sentence}: {count}")
    return found
