"""The record of what people did, and what it takes to undo it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from queuectl.domain.audit import Head

if TYPE_CHECKING:
    from queuectl.store.database import Transaction

_COMPACT = {"sqlite": " WITHOUT ROWID", "postgresql": ""}


def apply(transaction: Transaction) -> None:
    """Add the tables, and the note of where the empty record ends."""
    compact = _COMPACT[transaction.database.engine]
    # The numbers are given out under the lock of the head and never skip one, so no identity here.
    transaction.execute(
        "CREATE TABLE audit (number BIGINT NOT NULL PRIMARY KEY, operation BIGINT NOT NULL, at BIGINT NOT NULL,"
        " who TEXT NOT NULL, host TEXT NOT NULL, verb TEXT NOT NULL, target TEXT NOT NULL, things BIGINT NOT NULL,"
        " before TEXT, after TEXT, undoes BIGINT, key TEXT NOT NULL, hash TEXT NOT NULL, seal TEXT NOT NULL)"
    )
    transaction.execute("CREATE INDEX audit_operation ON audit (operation, number)")
    transaction.execute("CREATE INDEX audit_at ON audit (at)")
    transaction.execute("CREATE INDEX audit_undoes ON audit (undoes) WHERE undoes IS NOT NULL")
    transaction.execute(
        "CREATE TABLE undo_tasks (operation BIGINT NOT NULL, task_id BIGINT NOT NULL, state TEXT NOT NULL,"
        f" score INTEGER NOT NULL, fence INTEGER NOT NULL, given_score INTEGER NOT NULL,"
        f" PRIMARY KEY (operation, task_id)){compact}"
    )
    transaction.execute(
        "CREATE TABLE undo_rows (operation BIGINT NOT NULL PRIMARY KEY, content TEXT NOT NULL)"
    )
    transaction.execute("INSERT INTO facts (name, value) VALUES ('audit_head', %s)", (str(Head()),))
