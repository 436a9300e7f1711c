"""The moves that undo: cancelled tasks back to where they waited, and what was brought back cancelled again.

Each takes tasks with the fence that they had after the operation that is undone. A cancellation raises the
fence, and so does every dispatch, so a task with that fence is as the operation left it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from queuectl.domain.lifecycle import WAITING, Move, State
from queuectl.store import history
from queuectl.store.audit import Former
from queuectl.store.choosing import kept_unique, locked
from queuectl.store.database import Transaction
from queuectl.store.ordering import stored_point
from queuectl.store.tasks import cancel_waiting

_BACK = {
    State.SCHEDULED: State.SCHEDULED,
    State.RETRYING: State.RETRYING,
    State.QUEUED: State.QUEUED,
    State.DISPATCHED: State.QUEUED,  # its message is gone
}


def restore(transaction: Transaction, former: Sequence[Former], now: int) -> dict[int, State]:
    """Put cancelled tasks back to the state, the time and the place in which they waited; return their new states.

    Those that somebody has touched since, and those that ran, are left out.

    Raises:
        DuplicateTaskError: one is unique, and another open task for its URL exists.
    """
    # The aging comes before the tasks, as it does for those who insert; ranks of what has ended are not kept up.
    point = stored_point(transaction, kept=True)
    wanted = {each.id: each for each in former if each.state in _BACK}
    found = [
        each
        for each in locked(transaction, wanted)
        if each.state is State.CANCELLED and each.fence == wanted[each.id].fence
    ]
    if not found:
        return {}
    targets = {each.id: _BACK[wanted[each.id].state] for each in found}
    values, params = transaction.database.values(
        (("vid", "bigint"), ("vstate", "text")), [(number, state.value) for number, state in targets.items()]
    )
    rank = "-priority_score" if point is None else f"due_at - priority_score * CAST({point:d} AS BIGINT)"
    moved = f"UPDATE tasks SET state = vstate, finished_at = NULL, rank = {rank} FROM {values}"
    with kept_unique():
        transaction.execute(f"{moved} WHERE id = vid AND state = 'cancelled'", params)
    for each in found:
        transaction.tally.move(each.queue, State.CANCELLED, targets[each.id])
        transaction.tally.move_in_batch(each.batch, State.CANCELLED, targets[each.id], now)
        transaction.observed.count("restored", now, each.queue, each.host)
    transaction.former += [each.former(raised=False) for each in found]
    history.note_change(transaction, Move.RESTORE, list(targets))
    return targets


def cancel_unchanged(transaction: Transaction, fences: Mapping[int, int], now: int) -> dict[int, State]:
    """Cancel those of these tasks that wait and still have the fence that is given; return their new states."""
    found = [
        each
        for each in locked(transaction, fences)
        if each.state in WAITING and each.fence == fences[each.id]
    ]
    cancel_waiting(transaction, found, now)
    return {each.id: State.CANCELLED for each in found}
