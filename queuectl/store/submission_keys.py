"""The keys by which a submission that is sent again is recognised, kept in the transaction that submits."""

from __future__ import annotations

from dataclasses import dataclass

from queuectl.store.database import Transaction


@dataclass(frozen=True, slots=True)
class KeptSubmission:
    """What a key was used for: the hash of the content, and the number of the task or batch that it has become."""

    content: str
    task: int | None
    batch: int | None


def claim(transaction: Transaction, key: str, content: str, now: int) -> KeptSubmission | None:
    """Take a key for this transaction, or return what it was used for before.

    On PostgreSQL it waits for another transaction that has taken the key and not ended yet.
    """
    taken = transaction.rows(
        "INSERT INTO submission_keys (id, content, created_at) VALUES (%s, %s, %s)"
        " ON CONFLICT DO NOTHING RETURNING id",
        (key, content, now),
    )
    if taken:
        return None
    rows = transaction.rows("SELECT content, task_id, batch_id FROM submission_keys WHERE id = %s", (key,))
    return KeptSubmission(*rows[0]) if rows else None


def keep(transaction: Transaction, key: str, *, task: int | None = None, batch: int | None = None) -> None:
    """Note what the submission with this key has become."""
    transaction.execute(
        "UPDATE submission_keys SET task_id = %s, batch_id = %s WHERE id = %s", (task, batch, key)
    )
