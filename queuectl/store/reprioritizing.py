"""Give waiting tasks another score, and with it their queue and their rank."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from queuectl.domain.lifecycle import WAITING, State
from queuectl.domain.priority import level_of_score
from queuectl.store import history, tasks
from queuectl.store.audit import Former
from queuectl.store.choosing import Chosen, locked
from queuectl.store.database import Transaction
from queuectl.store.ordering import RANK_BY_STORED_AGING

_RANK = RANK_BY_STORED_AGING.replace("%s", "{}").format("due_at", "vscore", "vscore")
"""The rank of a row that is there already and gets the score ``vscore``."""


def reprioritize(transaction: Transaction, ids: Sequence[int], score: int) -> list[int]:
    """Give waiting tasks another score; return which have it now.

    What is dispatched goes back to its queue under a new fence first, because its message is in the list
    of the queue that it leaves.
    """
    found = [each for each in locked(transaction, ids) if each.state in WAITING]
    _give(transaction, found, dict.fromkeys((each.id for each in found), score))
    history.note_change(transaction, "reprioritize", [each.id for each in found], detail=f"score {score}")
    return [each.id for each in found]


def give_back_scores(transaction: Transaction, former: Sequence[Former]) -> list[int]:
    """Give waiting tasks their former scores, unless they have got others since; return which have them now."""
    wanted = {each.id: each for each in former}
    found = [
        each
        for each in locked(transaction, wanted)
        if each.state in WAITING and each.score == wanted[each.id].given_score
    ]
    _give(transaction, found, {each.id: wanted[each.id].score for each in found})
    history.note_change(transaction, "reprioritize", [each.id for each in found], detail="undone")
    return [each.id for each in found]


def _give(transaction: Transaction, found: Sequence[Chosen], scores: Mapping[int, int]) -> None:
    if not found:
        return
    dispatched = [each.id for each in found if each.state is State.DISPATCHED]
    if dispatched:
        tasks.release_dispatched(transaction, ids=dispatched)
    queues = {each.id: level_of_score(scores[each.id]).queue for each in found}
    values, params = transaction.database.values(
        (("vid", "bigint"), ("vscore", "bigint"), ("vqueue", "text")),
        [(each.id, scores[each.id], queues[each.id]) for each in found],
    )
    transaction.execute(
        f"UPDATE tasks SET priority_score = vscore, queue = vqueue, rank = {_RANK} FROM {values} WHERE id = vid",
        params,
    )
    for each in found:
        now = State.QUEUED if each.state is State.DISPATCHED else each.state
        transaction.tally.enter(each.queue, now, -1)
        transaction.tally.enter(queues[each.id], now)
    transaction.former += [
        each.former(raised=each.state is State.DISPATCHED, score=scores[each.id]) for each in found
    ]
