"""Which version of its engine a database runs on."""

from __future__ import annotations

from queuectl.store.database import Transaction

SAFE_SQLITE = (3, 51, 3)
"""Before this version simultaneous checkpoints can, very rarely, damage a write-ahead log."""


def engine_version(transaction: Transaction) -> str:
    """Return the version of SQLite or of the PostgreSQL server, such as ``3.51.3`` or ``16.4``."""
    if transaction.database.engine == "sqlite":
        return str(transaction.rows("SELECT sqlite_version()")[0][0])
    return str(transaction.rows("SHOW server_version")[0][0]).split()[0]


def is_safe_sqlite(version: str) -> bool:
    """Tell whether this SQLite is free of the known fault in simultaneous checkpoints."""
    return tuple(int(part) for part in version.split(".")[:3]) >= SAFE_SQLITE
