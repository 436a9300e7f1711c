"""The stored rank of waiting tasks: kept in step with the aging setting, and changed with the score."""

from __future__ import annotations

from collections.abc import Sequence

from queuectl.domain.lifecycle import WAITING, State
from queuectl.domain.priority import level_of_score
from queuectl.store import history, tasks
from queuectl.store.database import Database, Transaction
from queuectl.store.locking import locked_states
from queuectl.store.rows import placeholders

_FACT = "priority_aging"


def apply_aging(database: Database, minutes: float | None) -> bool:
    """Rank all open tasks anew if the aging has changed since the last time; return whether it had."""
    wanted = repr(float(minutes or 0))
    with database.writing() as transaction:
        rows = transaction.rows("SELECT value FROM facts WHERE name = %s", (_FACT,))
        present = rows[0][0] if rows else repr(0.0)
        if present == wanted:
            return False
        transaction.execute(
            "INSERT INTO facts (name, value) VALUES (%s, %s) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            (_FACT, wanted),
        )
        transaction.execute(f"UPDATE tasks SET rank = {_rank(minutes)} WHERE finished_at IS NULL")
    return True


def reprioritize(
    transaction: Transaction, ids: Sequence[int], score: int, aging_minutes: float | None
) -> list[int]:
    """Give waiting tasks another score, and with it their queue and rank; return which have it now.

    What is dispatched goes back to its queue under a new fence first, because its message is in the list
    of the queue that it leaves.
    """
    found = [each for each in locked_states(transaction, ids) if each[2] in WAITING]
    if not found:
        return []
    numbers = [number for number, _, _ in found]
    dispatched = [number for number, _, state in found if state is State.DISPATCHED]
    if dispatched:
        tasks.release_dispatched(transaction, ids=dispatched)
    queue = level_of_score(score).queue
    transaction.execute(
        f"UPDATE tasks SET priority_score = %s, queue = %s, rank = {_rank(aging_minutes, str(score))}"
        f" WHERE id IN ({placeholders(numbers)})",
        (score, queue, *numbers),
    )
    for _, before, state in found:
        now = State.QUEUED if state is State.DISPATCHED else state
        transaction.tally.enter(before, now, -1)
        transaction.tally.enter(queue, now)
    history.note_change(transaction, "reprioritize", numbers, detail=f"score {score}")
    return numbers


def _rank(aging_minutes: float | None, score: str = "priority_score") -> str:
    """Return the SQL of ``domain.priority.rank``."""
    if not aging_minutes:
        return f"-({score})"
    return f"due_at - ({score}) * CAST({round(aging_minutes * 60_000):d} AS BIGINT)"
