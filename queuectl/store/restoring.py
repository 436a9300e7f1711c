"""The moves that undo: cancelled tasks back to where they waited, and what was brought back cancelled again.

Each takes tasks with the fence that they had after the operation that is undone. A cancellation raises the
fence, and so does every dispatch, so a task with that fence is as the operation left it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from queuectl.domain.lifecycle import WAITING, Move, State
from queuectl.store import history
from queuectl.store.audit import Former
from queuectl.store.choosing import kept_unique, locked
from queuectl.store.database import Transaction
from queuectl.store.ordering import rank_of_row, stored_point
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
    moved = f"UPDATE tasks SET state = vstate, finished_at = NULL, rank = {rank_of_row(point)} FROM {values}"
    with kept_unique():
        transaction.execute(f"{moved} WHERE id = vid AND state = 'cancelled'", params)
    for each in found:
        transaction.tally.move(each.queue, State.CANCELLED, targets[each.id])
        transaction.tally.move_in_batch(each.batch, State.CANCELLED, targets[each.id], now)
        transaction.observed.count("restored", now, each.queue, each.host)
    transaction.former += [each.former(raised=False) for each in found]
    history.note_change(transaction, Move.RESTORE, list(targets))
    return targets


class Requeued(NamedTuple):
    """A task as it was before a person sent it back to its queue; times in UTC milliseconds."""

    id: int
    state: str
    fence: int
    due_at: int
    released: int
    crashes: int
    finished_at: int | None


_REQUEUED = (
    ("vid", "bigint"),
    ("vstate", "text"),
    ("vfence", "bigint"),
    ("vdue", "bigint"),
    ("vreleased", "bigint"),
    ("vcrashes", "bigint"),
    ("vfinished", "bigint"),
)
_STILL_QUEUED = "fence = vfence AND state IN ('queued', 'scheduled')"


def as_they_are(transaction: Transaction, ids: Sequence[int]) -> list[Requeued]:
    """Lock tasks that are to be sent back to their queues, and return them as they are."""
    wanted = [each.id for each in locked(transaction, ids)]
    values, params = transaction.database.values((("vid", "bigint"),), [(number,) for number in wanted])
    rows = transaction.rows(
        f"SELECT {', '.join(Requeued._fields)} FROM tasks JOIN {values} ON id = vid ORDER BY id", params
    )
    return [Requeued(*row) for row in rows]


def unqueue(transaction: Transaction, former: Sequence[Requeued], now: int) -> dict[int, State]:
    """Put tasks that have not been dispatched since they were sent back to where they were; return their states."""
    point = stored_point(transaction, kept=True)
    before = {each.id: each for each in locked(transaction, [each.id for each in former])}
    values, params = transaction.database.values(_REQUEUED, former)
    moved = transaction.rows(
        "UPDATE tasks SET state = vstate, fence = fence + 1, due_at = vdue, released = vreleased, crashes = vcrashes,"
        f" finished_at = vfinished, rank = {rank_of_row(point, 'vdue')} FROM {values}"
        f" WHERE id = vid AND {_STILL_QUEUED} RETURNING id, state",
        params,
    )
    done = {number: State(state) for number, state in moved}
    for number, state in done.items():
        each = before[number]
        transaction.tally.move(each.queue, each.state, state)
        transaction.tally.move_in_batch(each.batch, each.state, state, now)
        transaction.former.append(each.former(raised=True))
    history.note_change(transaction, Move.UNQUEUE, sorted(done))
    return done


def still_queued(transaction: Transaction, former: Sequence[Requeued]) -> dict[int, bool]:
    """Tell of those of these tasks that exist whether they have not been dispatched since they were sent back."""
    values, params = transaction.database.values(_REQUEUED, former)
    rows = transaction.rows(f"SELECT id, {_STILL_QUEUED} FROM {values} JOIN tasks ON tasks.id = vid", params)
    return {number: bool(same) for number, same in rows}


class FormerTime(NamedTuple):
    """When a task was due and was to run before it got another time, and that time; all in UTC milliseconds."""

    id: int
    due_at: int
    run_at: int | None
    given: int


_FORMER_TIME = (("vid", "bigint"), ("vdue", "bigint"), ("vrun", "bigint"), ("vgiven", "bigint"))


def give_back_times(transaction: Transaction, former: Sequence[FormerTime], now: int) -> dict[int, State]:
    """Give tasks that still wait for the time that they were given the one before; return their new states."""
    point = stored_point(transaction, kept=True)
    before = {each.id: each for each in locked(transaction, [each.id for each in former])}
    values, params = transaction.database.values(_FORMER_TIME, former)
    moved = transaction.rows(
        "UPDATE tasks SET state = CASE WHEN vdue > %s THEN 'scheduled' ELSE 'queued' END, due_at = vdue,"
        f" run_at = vrun, rank = {rank_of_row(point, 'vdue')} FROM {values} WHERE id = vid AND due_at = vgiven"
        " AND state IN ('scheduled', 'queued', 'retrying') RETURNING id, state",
        (now, *params),
    )
    done = {number: State(state) for number, state in moved}
    for number, state in done.items():
        transaction.tally.move(before[number].queue, before[number].state, state)
    history.note_change(transaction, Move.RESCHEDULE, sorted(done))
    return done


def with_given_times(transaction: Transaction, former: Sequence[FormerTime]) -> dict[int, bool]:
    """Tell of those of these tasks that exist whether they still wait for the time that they were given."""
    values, params = transaction.database.values(_FORMER_TIME, former)
    rows = transaction.rows(
        "SELECT id, due_at = vgiven AND state IN ('scheduled', 'queued', 'retrying')"
        f" FROM {values} JOIN tasks ON tasks.id = vid",
        params,
    )
    return {number: bool(same) for number, same in rows}


def cancel_unchanged(transaction: Transaction, fences: Mapping[int, int], now: int) -> dict[int, State]:
    """Cancel those of these tasks that wait and still have the fence that is given; return their new states."""
    found = [
        each
        for each in locked(transaction, fences)
        if each.state in WAITING and each.fence == fences[each.id]
    ]
    cancel_waiting(transaction, found, now)
    return {each.id: State.CANCELLED for each in found}
