"""Look at the database: its version and schema, unused space, the server's settings, and its clock."""

from __future__ import annotations

from collections.abc import Iterator

from queuectl.clock import now_ms
from queuectl.operations.administration import Check
from queuectl.operations.opening import open_database
from queuectl.settings import Settings
from queuectl.store import server
from queuectl.store.database import Transaction
from queuectl.store.migrate import STEPS
from queuectl.store.upkeep import spare_bytes
from queuectl.store.version import SAFE_SQLITE, engine_version, is_safe_sqlite

MUCH_SPARE_BYTES = 64 * 1024 * 1024
MANY_DEAD_ROWS = 100_000
LONG_OPEN_SECONDS = 3600
FEW_CONNECTIONS = 20
CLOCKS_DIFFER_MS, CLOCKS_DISAGREE_MS = 1_000, 20_000
"""Leases hold for 30 seconds by the database's clock, so a difference of nearly that is a failure."""


def database(settings: Settings) -> Iterator[Check]:
    """Look at everything that can be asked of the database."""
    found = open_database(settings)
    try:
        with found.reading() as transaction:
            version = engine_version(transaction)
            if found.engine == "sqlite":
                yield _sqlite(version, found.shown)
            else:
                yield Check("database", ok=True, detail=f"PostgreSQL {version} at {found.shown}")
            yield Check("schema", ok=True, detail=f"version {len(STEPS)}, as this queuectl needs it")
            yield _space(transaction)
            if found.engine == "postgresql":
                yield _clock(transaction)
                yield from _server_settings(server.settings(transaction))
                yield from _long_open(transaction)
    finally:
        found.close()


def _sqlite(version: str, shown: str) -> Check:
    detail = f"SQLite {version} at {shown}"
    if is_safe_sqlite(version):
        return Check("database", ok=True, detail=detail)
    safe = ".".join(map(str, SAFE_SQLITE))
    # Rare, and avoided as long as one daemon does all checkpoints: worth knowing, no failure.
    return Check(
        "database",
        ok=True,
        warning=True,
        detail=f"{detail}; {safe} repairs a rare fault of its log",
        hint=f"use a Python with SQLite {safe} or later when there is one",
    )


def _space(transaction: Transaction) -> Check:
    spare, size = spare_bytes(transaction)
    shown = f"{size / 1024**2:.1f} MiB"
    if transaction.database.engine == "postgresql":
        table, live, dead = server.most_dead_rows(transaction)
        if dead > max(MANY_DEAD_ROWS, live):
            return Check(
                "space",
                ok=True,
                warning=True,
                detail=f"{table} has {dead:,} removed rows beside {live:,}",
                hint=f"see why autovacuum does not get at them; at once: VACUUM {table}",
            )
    elif spare > max(MUCH_SPARE_BYTES, size // 2):
        return Check(
            "space",
            ok=True,
            warning=True,
            detail=f"{spare / 1024**2:.1f} of {shown} are unused",
            hint="it is used again as tasks come; to have it back now: queuectl db vacuum",
        )
    return Check("space", ok=True, detail=f"{shown} in the database")


def _clock(transaction: Transaction) -> Check:
    before = now_ms()
    theirs = transaction.now()
    after = now_ms()
    ahead = before - theirs if theirs < before else after - theirs if theirs > after else 0
    text = f"{abs(ahead) / 1000:.1f} s {'ahead of' if ahead > 0 else 'behind'} the database's"
    if abs(ahead) <= CLOCKS_DIFFER_MS:
        return Check("clock", ok=True, detail="agrees with the database's")
    failed = abs(ahead) > CLOCKS_DISAGREE_MS
    hint = "set both machines' clocks by the network: timedatectl set-ntp true"
    return Check("clock", ok=not failed, warning=not failed, detail=text, hint=hint)


def _server_settings(found: dict[str, str]) -> Iterator[Check]:
    unsafe = [
        name for name in ("fsync", "full_page_writes", "synchronous_commit") if found.get(name) == "off"
    ]
    if unsafe:
        yield Check(
            "durability",
            ok=True,
            warning=True,
            detail=f"{', '.join(unsafe)} off: a crash of the server may lose accepted tasks",
            hint="; ".join(f"run in psql: ALTER SYSTEM SET {name} = on" for name in unsafe),
        )
    else:
        yield Check("durability", ok=True, detail="what is committed is on the disk")
    for name, wrong, why in (
        ("server_encoding", found.get("server_encoding") != "UTF8", "not every title and URL can be stored"),
        ("autovacuum", found.get("autovacuum") == "off", "removed rows pile up and slow every take"),
        ("max_connections", int(found.get("max_connections", "100")) < FEW_CONNECTIONS,
         "a daemon needs about ten and every command one"),
        ("statement_timeout", 0 < int(found.get("statement_timeout", "0")) < 60_000,
         "long submissions and cleanups are cut off"),
        ("default_transaction_isolation", found.get("default_transaction_isolation") != "read committed",
         "daemons get into each other's way"),
    ):  # fmt: skip
        if wrong:
            failed = name == "server_encoding"
            hint = "make the database anew with ENCODING 'UTF8'" if failed else f"change {name} of the server"
            yield Check(name, ok=not failed, warning=not failed, detail=f"{found[name]}: {why}", hint=hint)


def _long_open(transaction: Transaction) -> Iterator[Check]:
    seconds, pid = server.longest_transaction(transaction)
    if seconds > LONG_OPEN_SECONDS:
        yield Check(
            "transactions",
            ok=True,
            warning=True,
            detail=f"one has been open for {seconds // 60} min; removed rows stay as long as it does",
            hint=f"end it: SELECT pg_terminate_backend({pid})",
        )
