"""Bring a database to the present schema, one numbered step at a time, and refuse what does not fit."""

from __future__ import annotations

from collections.abc import Callable

from queuectl import __version__
from queuectl.clock import now_ms
from queuectl.errors import SchemaError
from queuectl.store.database import Database, Transaction
from queuectl.store.migrations import (
    m0001_initial,
    m0002_limits,
    m0003_schedules,
    m0004_dead_letters,
    m0005_history,
    m0006_scaling,
    m0007_audit,
    m0008_statistics,
    m0009_web,
    m0010_report_deliveries,
    m0011_roles,
    m0012_caps,
    m0013_article_deliveries,
    m0014_cancel_requests,
)

Step = Callable[[Transaction], None]

STEPS: tuple[tuple[str, Step], ...] = (
    ("0001_initial", m0001_initial.apply),
    ("0002_limits", m0002_limits.apply),
    ("0003_schedules", m0003_schedules.apply),
    ("0004_dead_letters", m0004_dead_letters.apply),
    ("0005_history", m0005_history.apply),
    ("0006_scaling", m0006_scaling.apply),
    ("0007_audit", m0007_audit.apply),
    ("0008_statistics", m0008_statistics.apply),
    ("0009_web", m0009_web.apply),
    ("0010_report_deliveries", m0010_report_deliveries.apply),
    ("0011_roles", m0011_roles.apply),
    ("0012_caps", m0012_caps.apply),
    ("0013_article_deliveries", m0013_article_deliveries.apply),
    ("0014_cancel_requests", m0014_cancel_requests.apply),
)
"""Every step in order; the number of steps is the schema's version."""

# Any fixed number; it only has to be the same in every process that migrates.
_LOCK = 7_309_942_110


def version(transaction: Transaction) -> int:
    """Return how many steps the database has had; 0 when it is empty."""
    if transaction.database.engine == "sqlite":
        query = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'migrations'"
    else:
        query = "SELECT 1 WHERE to_regclass('migrations') IS NOT NULL"
    if not transaction.rows(query):
        return 0
    return int(transaction.rows("SELECT COALESCE(MAX(number), 0) FROM migrations")[0][0])


def migrate(database: Database) -> list[str]:
    """Apply the missing steps and return their names. Several processes may call this at once.

    Raises:
        SchemaError: the database is newer than this program.
    """
    with database.writing() as transaction:
        if database.engine == "postgresql":
            transaction.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        transaction.may_rest()
        return migrate_to(transaction, len(STEPS))


def migrate_to(transaction: Transaction, number: int) -> list[str]:
    """Apply the steps that are missing up to the one of this number, and return their names.

    Raises:
        SchemaError: the database is newer than this program.
    """
    applied: list[str] = []
    transaction.execute(
        "CREATE TABLE IF NOT EXISTS migrations (number INTEGER PRIMARY KEY, name TEXT NOT NULL,"
        " applied_at BIGINT NOT NULL, program TEXT NOT NULL)"
    )
    present = version(transaction)
    refuse_newer(transaction.database, present)
    for place, (name, step) in enumerate(STEPS[present:number], start=present + 1):
        step(transaction)
        transaction.execute(
            "INSERT INTO migrations (number, name, applied_at, program) VALUES (%s, %s, %s, %s)",
            (place, name, now_ms(), __version__),
        )
        applied.append(name)
    return applied


def ensure_ready(database: Database) -> None:
    """Check that the schema fits this program; an empty database is set up on the spot.

    Raises:
        SchemaError: the schema is older or newer than this program.
    """
    with database.reading() as transaction:
        present = version(transaction)
    if present == 0:
        migrate(database)
        return
    refuse_newer(database, present)
    if present < len(STEPS):
        raise SchemaError(
            f"the database {database.shown} has schema {present} and this queuectl needs {len(STEPS)}",
            hint="back it up, then run: queuectl db migrate",
        )


def refuse_newer(database: Database, present: int) -> None:
    """Raise a SchemaError if a database of this version is newer than this program."""
    if present > len(STEPS):
        raise SchemaError(
            f"the database {database.shown} has schema {present}, newer than this queuectl, which knows {len(STEPS)}",
            hint="upgrade queuectl to the version that last used this database",
        )
