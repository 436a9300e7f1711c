"""The rows in which claimed tasks are read: by whoever claims them, and when it is asked what a node holds."""

from __future__ import annotations

from dataclasses import dataclass

from queuectl.domain.lifecycle import State
from queuectl.domain.task import Claimed
from queuectl.store.database import Transaction

CLAIMED_COLUMNS = (
    "id, fence, attempt, released, crashes, url, handler, queue, priority_score, metadata,"
    " timeout, memory_limit, max_retries, started_at, host, due_at"
)
"""The columns that make a ``Claimed``, in its order; what only a daemon knows of a run comes behind them."""

WIDTH = CLAIMED_COLUMNS.count(",") + 1
"""How many columns that are."""


@dataclass(frozen=True, slots=True)
class InHand:
    """A task that a node holds, as the database has it."""

    work: Claimed
    state: State
    cancel_requested: bool


def in_hand(transaction: Transaction, node: str, *, limit: int = 10_000) -> list[InHand]:
    """Return the running tasks that ``node`` holds."""
    rows = transaction.rows(
        f"SELECT {CLAIMED_COLUMNS}, state, cancel_requested FROM tasks"
        f" WHERE node = %s AND state = 'running' ORDER BY id LIMIT %s{transaction.database.row_lock()}",
        (node, limit),
    )
    return [InHand(Claimed(*row[:WIDTH]), State(row[-2]), bool(row[-1])) for row in rows]
