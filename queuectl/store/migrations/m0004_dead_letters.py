"""What dead letters need to be grouped and resurrected, how batches have ended so far, and more about nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from queuectl.domain.dead_letter import error_shape, failure_key

if TYPE_CHECKING:
    from queuectl.store.database import Transaction

_LETTER_COLUMNS = (
    "host TEXT NOT NULL DEFAULT ''",
    "batch_id BIGINT",
    "priority_score INTEGER NOT NULL DEFAULT 5",
    "timeout DOUBLE PRECISION",
    "memory_limit INTEGER",
    "max_retries INTEGER",
    "unique_key BIGINT",
    "metadata TEXT NOT NULL DEFAULT '{}'",
    "failure TEXT NOT NULL DEFAULT ''",
    "shape TEXT NOT NULL DEFAULT ''",
    "resurrected_as BIGINT",
    "resurrected_at BIGINT",
)
_NODE_COLUMNS = (
    "handlers TEXT NOT NULL DEFAULT '[]'",
    "clock_ahead BIGINT NOT NULL DEFAULT 0",
)
_GROUP = 1_000
_STORAGE = {
    "sqlite": " WITHOUT ROWID",
    "postgresql": " WITH (fillfactor = 20, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_cost_delay = 0)",
}


def apply(transaction: Transaction) -> None:
    """Add columns, table and indexes, and fill them for what is there."""
    for column in _LETTER_COLUMNS:
        transaction.execute(f"ALTER TABLE dead_letters ADD COLUMN {column}")
    for column in _NODE_COLUMNS:
        transaction.execute(f"ALTER TABLE nodes ADD COLUMN {column}")
    transaction.execute(
        "UPDATE dead_letters SET host = tasks.host, batch_id = tasks.batch_id, priority_score = tasks.priority_score,"
        " timeout = tasks.timeout, memory_limit = tasks.memory_limit, max_retries = tasks.max_retries,"
        " unique_key = tasks.unique_key, metadata = tasks.metadata"
        " FROM tasks WHERE tasks.id = dead_letters.task_id"
    )
    _name_failures(transaction)
    transaction.execute("CREATE INDEX dead_letters_died ON dead_letters (died_at, id)")
    transaction.execute("CREATE INDEX dead_letters_open ON dead_letters (id) WHERE resurrected_as IS NULL")
    transaction.execute(
        "CREATE INDEX dead_letters_batch ON dead_letters (batch_id) WHERE batch_id IS NOT NULL"
    )
    # Kept by the moves that end tasks, so that nobody counts a million rows to show a batch's progress.
    transaction.execute(
        "CREATE TABLE batch_counters (batch_id BIGINT NOT NULL, shard INTEGER NOT NULL, state TEXT NOT NULL,"
        " tasks BIGINT NOT NULL, first_at BIGINT NOT NULL, last_at BIGINT NOT NULL,"
        f" PRIMARY KEY (batch_id, shard, state)){_STORAGE[transaction.database.engine]}"
    )
    transaction.execute(
        "INSERT INTO batch_counters (batch_id, shard, state, tasks, first_at, last_at)"
        " SELECT batch_id, 0, state, COUNT(*), MIN(finished_at), MAX(finished_at) FROM tasks"
        " WHERE batch_id IS NOT NULL AND finished_at IS NOT NULL GROUP BY batch_id, state"
    )


def _name_failures(transaction: Transaction) -> None:
    last = 0
    while rows := transaction.rows(
        "SELECT id, cause, error FROM dead_letters WHERE id > %s ORDER BY id LIMIT %s", (last, _GROUP)
    ):
        last = rows[-1][0]
        named = [(number, cause, error_shape(error)) for number, cause, error in rows]
        values, params = transaction.database.values(
            (("vid", "bigint"), ("vfailure", "text"), ("vshape", "text")),
            [(number, failure_key(cause, shape), shape) for number, cause, shape in named],
        )
        transaction.execute(
            f"UPDATE dead_letters SET failure = vfailure, shape = vshape FROM {values} WHERE id = vid", params
        )
