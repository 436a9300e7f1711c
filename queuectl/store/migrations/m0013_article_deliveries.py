"""How far the delivery of articles to the webhook is."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from queuectl.store.database import Transaction


def apply(transaction: Transaction) -> None:
    """Add the table; without a webhook it stays empty. What waits and what failed is found by small indexes."""
    transaction.execute(
        "CREATE TABLE article_deliveries (task_id BIGINT NOT NULL PRIMARY KEY, attempt BIGINT NOT NULL,"
        " begun_at BIGINT NOT NULL, tries BIGINT NOT NULL, next_try_at BIGINT, problem TEXT, delivered_at BIGINT)"
    )
    transaction.execute(
        "CREATE INDEX article_deliveries_next ON article_deliveries (next_try_at, task_id)"
        " WHERE next_try_at IS NOT NULL"
    )
    transaction.execute(
        "CREATE INDEX article_deliveries_problem ON article_deliveries (task_id) WHERE problem IS NOT NULL"
    )
