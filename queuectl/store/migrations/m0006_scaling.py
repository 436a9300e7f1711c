"""How many tasks at a time somebody wants a running node to have, where it runs its handlers, and what is too many."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from queuectl.store.database import Transaction


def apply(transaction: Transaction) -> None:
    """Add the columns."""
    transaction.execute("ALTER TABLE nodes ADD COLUMN wanted_workers INTEGER")
    transaction.execute("ALTER TABLE nodes ADD COLUMN kinds TEXT NOT NULL DEFAULT '{}'")
    transaction.execute("ALTER TABLE nodes ADD COLUMN held_back TEXT NOT NULL DEFAULT '[]'")
