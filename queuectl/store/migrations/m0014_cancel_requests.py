"""An index of the tasks whose daemon has yet to hear that a person wants them to end."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from queuectl.store.database import Transaction


def apply(transaction: Transaction) -> None:
    """Add it. It is empty nearly always, while that of the tasks at work has remains of all that ran lately."""
    transaction.execute("CREATE INDEX tasks_to_cancel ON tasks (id) WHERE cancel_requested = 1")
