"""Limits of queues, the starts that rate limits count, and what is known of hosts."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from queuectl.store.database import Transaction

_LIMITS = (
    "max_size BIGINT",
    "rate_starts INTEGER",
    "rate_period BIGINT",
    "concurrency INTEGER",
    "host_gap DOUBLE PRECISION",
    "host_concurrency INTEGER",
    "task_timeout DOUBLE PRECISION",
    "memory_limit INTEGER",
    "max_retries INTEGER",
    "retry_backoff DOUBLE PRECISION",
)
# SQLite looks for the state in the row although it is the same in the whole index, unless it is there too.
_PASSED_BY = {"sqlite": "host, state", "postgresql": "host"}
# Without a row id SQLite keeps the rows in the order of their key, which is how both tables are read.
_BY_KEY = {"sqlite": " WITHOUT ROWID", "postgresql": ""}


def apply(transaction: Transaction) -> None:
    """Add the columns and tables."""
    for column in _LIMITS:
        transaction.execute(f"ALTER TABLE queues ADD COLUMN {column}")
    engine = transaction.database.engine
    # With the host in it, passing over the tasks of hosts that want to be left alone reads no row.
    transaction.execute("DROP INDEX tasks_ready")
    transaction.execute(
        f"CREATE INDEX tasks_ready ON tasks (queue, rank, due_at, id, {_PASSED_BY[engine]}) WHERE state = 'queued'"
    )
    kept = _BY_KEY[engine]
    # ``total`` counts a queue's starts up to and including this row's, so that the starts of any window are
    # the difference of two rows, however many they are.
    transaction.execute(
        "CREATE TABLE queue_starts (queue TEXT NOT NULL, at BIGINT NOT NULL, total BIGINT NOT NULL,"
        f" PRIMARY KEY (queue, at)){kept}"
    )
    transaction.execute(
        "CREATE TABLE hosts (host TEXT PRIMARY KEY, last_start_at BIGINT, held_until BIGINT, held_reason TEXT)"
        f"{kept}"
    )
    transaction.execute("CREATE INDEX hosts_held ON hosts (held_until) WHERE held_until IS NOT NULL")
