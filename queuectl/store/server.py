"""What a PostgreSQL server says of itself."""

from __future__ import annotations

from queuectl.store.database import Transaction
from queuectl.store.schema import TABLES

_ASKED = (
    "autovacuum",
    "default_transaction_isolation",
    "fsync",
    "full_page_writes",
    "max_connections",
    "server_encoding",
    "statement_timeout",
    "synchronous_commit",
)


def settings(transaction: Transaction) -> dict[str, str]:
    """Return the settings that matter, as they hold for our connections; times are in milliseconds."""
    rows = transaction.rows("SELECT name, setting FROM pg_settings WHERE name = ANY(%s)", (list(_ASKED),))
    return dict(rows)


def most_dead_rows(transaction: Transaction) -> tuple[str, int, int]:
    """Return the table with the most removed rows that still take space: its name, living and removed rows."""
    rows = transaction.rows(
        "SELECT relname, n_live_tup, n_dead_tup FROM pg_stat_user_tables WHERE relid = ANY"
        " (SELECT to_regclass(name) FROM unnest(%s) AS name) ORDER BY n_dead_tup DESC LIMIT 1",
        ([table._meta.table_name for table in TABLES],),
    )
    return (rows[0][0], int(rows[0][1]), int(rows[0][2])) if rows else ("tasks", 0, 0)


def longest_transaction(transaction: Transaction) -> tuple[int, int]:
    """Return for how many seconds the oldest transaction of the database has been open, and its process."""
    rows = transaction.rows(
        "SELECT extract(epoch FROM clock_timestamp() - xact_start)::bigint, pid FROM pg_stat_activity"
        " WHERE datname = current_database() AND xact_start IS NOT NULL AND pid <> pg_backend_pid()"
        " AND backend_type = 'client backend' ORDER BY xact_start LIMIT 1"
    )
    return (int(rows[0][0]), int(rows[0][1])) if rows else (0, 0)
