"""How many tasks are in which queue and state: kept counts, so that nobody counts a million rows.

Every move of a task adds to the tally of its transaction, which is written just before the commit.
The counts are therefore exact, and ``check`` compares them with the rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from queuectl.domain.lifecycle import State
from queuectl.store.rows import placeholders

if TYPE_CHECKING:
    from queuectl.store.database import Transaction

_COLUMNS = (("cqueue", "text"), ("cstate", "text"), ("change", "bigint"))


class Tally(dict[tuple[str, str], int]):
    """What a transaction has changed so far: (queue, state) to the difference."""

    def enter(self, queue: str, state: State, count: int = 1) -> None:
        """Count tasks that come into a state."""
        key = (queue, state.value)
        self[key] = self.get(key, 0) + count

    def move(self, queue: str, source: State, target: State, count: int = 1) -> None:
        """Count tasks that go from one state to another."""
        self.enter(queue, source, -count)
        self.enter(queue, target, count)


def add(transaction: Transaction, shard: int) -> None:
    """Write the transaction's tally.

    The rows are sorted, so that two writers lock them in the same order and never deadlock.
    """
    changes = sorted((queue, state, count) for (queue, state), count in transaction.tally.items() if count)
    if not changes:
        return
    values, params = transaction.database.values(_COLUMNS, changes)
    transaction.execute(
        f"INSERT INTO counters (shard, queue, state, tasks)"
        f" SELECT {shard:d}, cqueue, cstate, change FROM {values} WHERE true"
        " ON CONFLICT (shard, queue, state) DO UPDATE SET tasks = counters.tasks + excluded.tasks",
        params,
    )


def read(transaction: Transaction) -> dict[tuple[str, State], int]:
    """Return the number of tasks for each queue and state that has any."""
    rows = transaction.rows("SELECT queue, state, SUM(tasks) FROM counters GROUP BY queue, state")
    return {(queue, State(state)): int(count) for queue, state, count in rows if count}


def queued(transaction: Transaction) -> set[str]:
    """Return the queues that hold queued tasks, also those that this very transaction has sent there."""
    rows = transaction.rows(
        "SELECT queue FROM counters WHERE state = 'queued' GROUP BY queue HAVING SUM(tasks) > 0"
    )
    moved = {
        queue for (queue, state), change in transaction.tally.items() if state == "queued" and change > 0
    }
    return {queue for (queue,) in rows} | moved


def count_rows(transaction: Transaction) -> dict[tuple[str, State], int]:
    """Count the tasks themselves; slow, for checks only."""
    rows = transaction.rows("SELECT queue, state, COUNT(*) FROM tasks GROUP BY queue, state")
    return {(queue, State(state)): int(count) for queue, state, count in rows}


def at_work(transaction: Transaction, queues: Sequence[str]) -> dict[str, int]:
    """Return how many tasks of these queues run or are dispatched, with what this transaction has changed."""
    rows = transaction.rows(
        "SELECT queue, SUM(tasks) FROM counters WHERE state IN ('running', 'dispatched')"
        f" AND queue IN ({placeholders(queues)}) GROUP BY queue",
        queues,
    )
    counts = dict.fromkeys(queues, 0) | {queue: int(count) for queue, count in rows}
    for (queue, state), change in transaction.tally.items():
        if queue in counts and state in (State.RUNNING.value, State.DISPATCHED.value):
            counts[queue] += change
    return counts
