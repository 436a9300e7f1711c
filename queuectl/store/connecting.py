"""How each engine is opened: its options, and what a new connection to it needs."""

from __future__ import annotations

import functools
import sqlite3
from typing import Any

import peewee

from queuectl.store.failures import Engine

BUSY_SECONDS = 60
"""How long a writer waits for SQLite's one write lock; a bulk submission may hold it for seconds."""

_SQLITE_PRAGMAS = {
    "journal_mode": "wal",
    "synchronous": "full",
    "foreign_keys": 1,
    "busy_timeout": BUSY_SECONDS * 1000,
    "journal_size_limit": 64 * 1024 * 1024,
    # Two connections that checkpoint at once can damage the file before SQLite 3.51.3, so this is
    # the daemon's business; the bound is for programs that write for long without one.
    "wal_autocheckpoint": 50_000,
    "cache_size": -32 * 1024,
}

_POSTGRES_OPTIONS: dict[str, Any] = {
    "application_name": "queuectl",
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    # Keepalives are silent while sent data is not acknowledged, so a cut link needs this one (milliseconds).
    "tcp_user_timeout": 20_000,
}

REST_SECONDS = 15
"""A write transaction in which a client says nothing for so long is undone: what it has locked holds up everybody.

Such a client was halted or is cut off. Half of a node's lease, so that its locks are free when others take its tasks.
"""

POSTGRES_SESSION = "; ".join(
    f"SET {name} = {value}"
    for name, value in {
        # The server's own view of a cut link; by default it would keep the session and its locks for two hours.
        "tcp_keepalives_idle": 10,
        "tcp_keepalives_interval": 5,
        "tcp_keepalives_count": 3,
        "tcp_user_timeout": 20_000,
        "idle_in_transaction_session_timeout": REST_SECONDS * 1000,
    }.items()
)
"""What is said on each new connection; not as an option of connecting, which poolers refuse."""


def unconnected(url: str, engine: Engine) -> Any:
    """Return Peewee's database at a URL, to which no thread is connected yet."""
    if engine == "sqlite":
        path = url.removeprefix("sqlite:///")
        return peewee.SqliteDatabase(path, pragmas=_SQLITE_PRAGMAS, timeout=BUSY_SECONDS, autoconnect=False)
    return peewee.PostgresqlDatabase(url, autoconnect=False, **_POSTGRES_OPTIONS)


def add_functions(connection: sqlite3.Connection) -> None:
    """Give a connection the functions that SQLite lacks."""
    connection.create_function("contains_text", 2, _contains_text, deterministic=True)


def _contains_text(haystack: str | None, needle: str) -> bool:
    return haystack is not None and needle.lower() in haystack.lower()


@functools.lru_cache(maxsize=512)
def for_sqlite(sql: str) -> str:
    """Return a statement with SQLite's marks of parameters."""
    return sql.replace("%s", "?")
