"""Lock tasks before they change, always in the order of their numbers, so that no two writers wait for each other."""

from __future__ import annotations

from collections.abc import Iterable

from queuectl.domain.lifecycle import State
from queuectl.store.database import Transaction
from queuectl.store.rows import placeholders


def locked_states(transaction: Transaction, ids: Iterable[int]) -> list[tuple[int, str, State]]:
    """Lock tasks; return number, queue and state of each one that exists."""
    numbers = list(ids)
    rows = transaction.rows(
        f"SELECT id, queue, state FROM tasks WHERE id IN ({placeholders(numbers)})"
        f" ORDER BY id{transaction.database.row_lock()}",
        numbers,
    )
    return [(number, queue, State(state)) for number, queue, state in rows]
