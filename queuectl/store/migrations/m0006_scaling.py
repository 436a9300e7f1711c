"""How many tasks at a time somebody wants a running node to have, and where it runs its handlers."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from queuectl.store.database import Transaction


def apply(transaction: Transaction) -> None:
    """Add the columns."""
    transaction.execute("ALTER TABLE nodes ADD COLUMN wanted_workers INTEGER")
    transaction.execute("ALTER TABLE nodes ADD COLUMN kinds TEXT NOT NULL DEFAULT '{}'")
