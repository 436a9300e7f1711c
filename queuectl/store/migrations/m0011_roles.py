"""What each daemon of several does: everything, run tasks only, or everything but run tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from queuectl.store.database import Transaction


def apply(transaction: Transaction) -> None:
    """Add the column; a daemon that knows nothing of roles does everything."""
    transaction.execute("ALTER TABLE nodes ADD COLUMN role TEXT NOT NULL DEFAULT 'all'")
