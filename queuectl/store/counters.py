"""How many tasks are in which queue and state, and how many of a batch have ended: kept, so that nobody counts rows.

Every move of a task adds to the tally of its transaction, which is written just before the commit.
The counts are therefore exact, and ``check`` compares them with the rows. A batch's counts outlive
its tasks, which retention removes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from queuectl.domain.lifecycle import FINAL, State
from queuectl.store import observations
from queuectl.store.rows import placeholders

if TYPE_CHECKING:
    from queuectl.store.database import Transaction

_COLUMNS = (("cqueue", "text"), ("cstate", "text"), ("change", "bigint"))
_BATCH_COLUMNS = (
    ("cbatch", "bigint"),
    ("cstate", "text"),
    ("change", "bigint"),
    ("cfirst", "bigint"),
    ("clast", "bigint"),
)


class BatchEnds(NamedTuple):
    """How many tasks of a batch have ended in one state, and when the first and the last of them, in milliseconds."""

    tasks: int
    first_at: int
    last_at: int


class Tally(dict[tuple[str, str], int]):
    """What a transaction has changed so far: (queue, state) to the difference.

    ``batches`` holds for (batch, final state) the difference and the times of the first and last end.
    """

    def __init__(self) -> None:
        super().__init__()
        self.batches: dict[tuple[int, str], BatchEnds] = {}

    def enter(self, queue: str, state: State, count: int = 1) -> None:
        """Count tasks that come into a state."""
        key = (queue, state.value)
        self[key] = self.get(key, 0) + count

    def move(self, queue: str, source: State, target: State, count: int = 1) -> None:
        """Count tasks that go from one state to another."""
        self.enter(queue, source, -count)
        self.enter(queue, target, count)

    def entered(self, state: State) -> set[str]:
        """Return the queues of which more tasks come into a state than leave it."""
        return {queue for (queue, name), change in self.items() if name == state.value and change > 0}

    def move_in_batch(self, batch: int | None, source: State, target: State, at: int) -> None:
        """Count one task's end, or its way back from it, for the batch that it belongs to, if it does."""
        if batch is None:
            return
        for state, change in ((source, -1), (target, 1)):
            if state in FINAL:
                before = self.batches.get((batch, state.value), BatchEnds(0, at, at))
                self.batches[batch, state.value] = BatchEnds(
                    before.tasks + change, min(before.first_at, at), max(before.last_at, at)
                )


Statement = tuple[str, list[object]]


def closing(transaction: Transaction, shard: int, turn: int) -> list[Statement]:
    """Return what writes the transaction's tally, and what it adds to the statistics.

    ``shard`` are the rows for batches, ``turn`` those for queues. The rows are sorted, so that two writers lock them
    in the same order and never deadlock.
    """
    parts = (_batches(transaction, shard), observations.addition(transaction), _queues(transaction, turn))
    statements = [each for each in parts if each]
    if len(statements) > 1 and transaction.database.engine == "postgresql":
        # One way to the server and back instead of several, at the end of every tick.
        *first, (last, moves) = statements
        extra = ", ".join(f"part{place} AS ({sql})" for place, (sql, _) in enumerate(first))
        return [(f"WITH {extra} {last}", [*(each for _, params in first for each in params), *moves])]
    return statements


def _queues(transaction: Transaction, shard: int) -> Statement | None:
    changes = sorted((queue, state, count) for (queue, state), count in transaction.tally.items() if count)
    if not changes:
        return None
    values, params = transaction.database.values(_COLUMNS, changes)
    return (
        f"INSERT INTO counters (shard, queue, state, tasks)"
        f" SELECT {shard:d}, cqueue, cstate, change FROM {values} WHERE true"
        " ON CONFLICT (shard, queue, state) DO UPDATE SET tasks = counters.tasks + excluded.tasks"
    ), params


def _batches(transaction: Transaction, shard: int) -> Statement | None:
    changes = sorted((*key, *ends) for key, ends in transaction.tally.batches.items() if ends.tasks)
    if not changes:
        return None
    values, params = transaction.database.values(_BATCH_COLUMNS, changes)
    return (
        "INSERT INTO batch_counters (batch_id, shard, state, tasks, first_at, last_at)"
        f" SELECT cbatch, {shard:d}, cstate, change, cfirst, clast FROM {values} WHERE true"
        " ON CONFLICT (batch_id, shard, state) DO UPDATE SET tasks = batch_counters.tasks + excluded.tasks,"
        " last_at = CASE WHEN excluded.last_at > batch_counters.last_at THEN excluded.last_at"
        " ELSE batch_counters.last_at END"
    ), params


def read(transaction: Transaction) -> dict[tuple[str, State], int]:
    """Return the number of tasks for each queue and state that has any."""
    rows = transaction.rows("SELECT queue, state, SUM(tasks) FROM counters GROUP BY queue, state")
    return {(queue, State(state)): int(count) for queue, state, count in rows if count}


def of_batches(transaction: Transaction, batches: Sequence[int]) -> dict[tuple[int, State], BatchEnds]:
    """Return how tasks of these batches have ended, for each batch and final state that has any."""
    rows = transaction.rows(
        "SELECT batch_id, state, SUM(tasks), MIN(first_at), MAX(last_at) FROM batch_counters"
        f" WHERE batch_id IN ({placeholders(batches)}) GROUP BY batch_id, state",
        batches,
    )
    return {
        (batch, State(state)): BatchEnds(int(count), first, last)
        for batch, state, count, first, last in rows
        if count
    }


def count_batches_anew(transaction: Transaction, batches: Sequence[int]) -> None:
    """Set the counts of whole batches to how their tasks have ended; nobody else may change counts meanwhile."""
    these = f"batch_id IN ({placeholders(batches)})"
    transaction.execute(f"DELETE FROM batch_counters WHERE {these}", batches)
    transaction.execute(
        "INSERT INTO batch_counters (batch_id, shard, state, tasks, first_at, last_at)"
        " SELECT batch_id, 0, state, COUNT(*), MIN(finished_at), MAX(finished_at) FROM tasks"
        f" WHERE {these} AND finished_at IS NOT NULL GROUP BY batch_id, state",
        batches,
    )


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
