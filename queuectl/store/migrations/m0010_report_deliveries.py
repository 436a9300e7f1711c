"""How far the delivery of reports is."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from queuectl.store.database import Transaction


def apply(transaction: Transaction) -> None:
    """Add the table; it has a row for each line of the plan that some daemon has seen."""
    transaction.execute(
        "CREATE TABLE report_deliveries (entry TEXT NOT NULL PRIMARY KEY, last_at BIGINT NOT NULL,"
        " claimed_until BIGINT NOT NULL, node TEXT, tries INTEGER NOT NULL, next_try_at BIGINT NOT NULL, problem TEXT,"
        " delivered_at BIGINT)"
    )
