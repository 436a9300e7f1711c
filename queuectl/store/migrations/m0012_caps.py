"""How many tasks of each kind of work a node runs at a time, so that forecasts know."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from queuectl.store.database import Transaction


def apply(transaction: Transaction) -> None:
    """Add the column; a daemon that does not tell is taken for one without caps."""
    transaction.execute("ALTER TABLE nodes ADD COLUMN caps TEXT NOT NULL DEFAULT '{}'")
