"""What the HTTP interface needs: the tokens of programs, and the keys by which a repeated submission is recognised."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from queuectl.store.database import Transaction


def apply(transaction: Transaction) -> None:
    """Add the tables."""
    transaction.execute(
        "CREATE TABLE web_tokens (id TEXT NOT NULL PRIMARY KEY, name TEXT NOT NULL, role TEXT NOT NULL,"
        " secret_hash TEXT NOT NULL, created_at BIGINT NOT NULL, expires_at BIGINT, revoked_at BIGINT)"
    )
    # A name may be given again when the token that had it was revoked.
    transaction.execute("CREATE UNIQUE INDEX web_tokens_name ON web_tokens (name) WHERE revoked_at IS NULL")
    transaction.execute(
        "CREATE TABLE submission_keys (id TEXT NOT NULL PRIMARY KEY, content TEXT NOT NULL,"
        " task_id BIGINT, batch_id BIGINT, created_at BIGINT NOT NULL)"
    )
    transaction.execute("CREATE INDEX submission_keys_created ON submission_keys (created_at)")
