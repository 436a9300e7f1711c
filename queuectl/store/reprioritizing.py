"""Give waiting tasks another score, and with it their queue and their rank."""

from __future__ import annotations

from collections.abc import Sequence

from queuectl.domain.lifecycle import WAITING, State
from queuectl.domain.priority import level_of_score
from queuectl.store import history, tasks
from queuectl.store.choosing import locked
from queuectl.store.database import Transaction
from queuectl.store.ordering import RANK_BY_STORED_AGING
from queuectl.store.rows import placeholders

_RANK = RANK_BY_STORED_AGING.replace("%s", "due_at", 1)
"""The rank of a row that is there already; takes score and score."""


def reprioritize(transaction: Transaction, ids: Sequence[int], score: int) -> list[int]:
    """Give waiting tasks another score; return which have it now.

    What is dispatched goes back to its queue under a new fence first, because its message is in the list
    of the queue that it leaves.
    """
    found = [each for each in locked(transaction, ids) if each.state in WAITING]
    if not found:
        return []
    numbers = [each.id for each in found]
    dispatched = [each.id for each in found if each.state is State.DISPATCHED]
    if dispatched:
        tasks.release_dispatched(transaction, ids=dispatched)
    queue = level_of_score(score).queue
    transaction.execute(
        f"UPDATE tasks SET priority_score = %s, queue = %s, rank = {_RANK} WHERE id IN ({placeholders(numbers)})",
        (score, queue, score, score, *numbers),
    )
    for each in found:
        now = State.QUEUED if each.state is State.DISPATCHED else each.state
        transaction.tally.enter(each.queue, now, -1)
        transaction.tally.enter(queue, now)
    history.note_change(transaction, "reprioritize", numbers, detail=f"score {score}")
    return numbers
