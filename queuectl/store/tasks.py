"""The moves of tasks: with ``submission``, the only code that writes the state column.

Each function moves a set of tasks in one statement that names the state they come from and, where
a run is concerned, the fence. Rows that do not come back were stale: someone else was faster.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from queuectl.domain.ending import Ending
from queuectl.domain.lifecycle import WAITING, Move, State, sources
from queuectl.domain.task import Claimed
from queuectl.store import history
from queuectl.store.choosing import CHOSEN, Chosen, chosen, kept_unique, locked
from queuectl.store.claimed_rows import CLAIMED_COLUMNS, WIDTH
from queuectl.store.claimed_rows import InHand as InHand
from queuectl.store.claimed_rows import in_hand as in_hand
from queuectl.store.database import Transaction
from queuectl.store.ending_rows import ENDING_COLUMNS, TARGET, ending_row, run_of
from queuectl.store.ordering import RANK_FROM_NOW
from queuectl.store.ready import START as START
from queuectl.store.ready import Place as Place
from queuectl.store.ready import first
from queuectl.store.rows import placeholders


@dataclass(frozen=True, slots=True)
class Message:
    """What the transport carries for a dispatched task."""

    id: int
    fence: int
    queue: str


def due(transaction: Transaction, now: int, limit: int) -> int:
    """Move due tasks to their queues; return how many (``limit`` of each kind at the most)."""
    moved = 0
    for source in (State.SCHEDULED, State.RETRYING):
        rows = transaction.rows(
            "UPDATE tasks SET state = 'queued' WHERE id "
            + transaction.database.any_of(
                "SELECT id FROM tasks WHERE state IN ('scheduled', 'retrying') AND state = %s AND due_at <= %s"
                f" ORDER BY due_at, id LIMIT %s{transaction.database.locking()}"
            )
            + " RETURNING queue",
            (source.value, now, limit),
        )
        for (queue,) in rows:
            transaction.tally.move(queue, source, State.QUEUED)
        moved += len(rows)
    return moved


def dispatch(
    transaction: Transaction,
    queue: str,
    limit: int,
    *,
    node: str,
    now: int,
    after: Place = START,
    only: Sequence[int] | None = None,
) -> tuple[list[Message], Place]:
    """Move the first queued tasks of a queue, or ``only`` these of them, to ``dispatched`` under a new fence.

    Returns their messages in order, and the place of the last one to go on from.
    """
    ready, params = first(transaction, queue, limit, after, only)
    rows = transaction.rows(
        "UPDATE tasks SET state = 'dispatched', fence = fence + 1, node = %s, dispatched_at = %s WHERE id "
        + transaction.database.any_of(ready)
        + " RETURNING id, fence, queue, rank, due_at",
        (node, now, *params),
    )
    if not rows:
        return [], after
    rows.sort(key=lambda row: (row[3], row[4], row[0]))
    transaction.tally.move(queue, State.QUEUED, State.DISPATCHED, len(rows))
    last = rows[-1]
    return [Message(*row[:3]) for row in rows], (last[3], last[4], last[0])


def start(
    transaction: Transaction,
    queue: str,
    limit: int,
    *,
    node: str,
    now: int,
    after: Place = START,
    only: Sequence[int] | None = None,
) -> tuple[list[Claimed], Place]:
    """Dispatch and claim in one statement, for workers that are free on this node.

    The first queued tasks of the queue, or ``only`` these of them. Returns the claimed tasks in
    order, and the place of the last one to go on from.
    """
    ready, params = first(transaction, queue, limit, after, only)
    rows = transaction.rows(
        "UPDATE tasks SET state = 'running', fence = fence + 1, attempt = attempt + 1, node = %s, started_at = %s,"
        " error = NULL WHERE id "
        + transaction.database.any_of(ready)
        + f" RETURNING {CLAIMED_COLUMNS}, rank",
        (node, now, *params),
    )
    if not rows:
        return [], after
    rows.sort(key=lambda row: (row[-1], row[-2], row[0]))
    transaction.tally.move(queue, State.QUEUED, State.RUNNING, len(rows))
    last = rows[-1]
    return [Claimed(*row[:WIDTH]) for row in rows], (last[-1], last[-2], last[0])


def claim(
    transaction: Transaction,
    messages: Sequence[tuple[int, int]],
    *,
    node: str,
    now: int,
    held: Collection[str] = (),
    limited: Collection[str] = (),
) -> list[Claimed]:
    """Claim dispatched tasks by id and fence, charging an attempt to each; stale messages change nothing.

    Those of ``held`` hosts and of ``limited`` queues may not start now and go back to their queues.
    Returns the claimed ones in the order of their messages.
    """
    # Rows are locked by id, as by every verb that locks several, so that no two wait for each other.
    values, params = transaction.database.values((("vid", "bigint"), ("vfence", "bigint")), sorted(messages))
    unwanted, names = "", []
    for column, texts in (("host", held), ("queue", limited)):
        if texts:
            tail, name = transaction.database.none_of(texts)
            unwanted += f" AND {column} {tail}"
            names.append(name)
    rows = transaction.rows(
        "UPDATE tasks SET state = 'running', attempt = attempt + 1, node = %s, started_at = %s, error = NULL"
        f" FROM {values} WHERE id = vid AND fence = vfence AND state = 'dispatched'{unwanted}"
        f" RETURNING {CLAIMED_COLUMNS}",
        (node, now, *params, *names),
    )
    if unwanted and len(rows) < len(messages):
        _refuse(transaction, values, params)
    places = {message: place for place, message in enumerate(messages)}
    claimed = sorted((Claimed(*row) for row in rows), key=lambda work: places[work.id, work.fence])
    for queue, count in Counter([work.queue for work in claimed]).items():
        transaction.tally.move(queue, State.DISPATCHED, State.RUNNING, count)
    return claimed


def _refuse(transaction: Transaction, values: str, params: Sequence[object]) -> None:
    """Send back what was not claimed although its message was right."""
    rows = transaction.rows(
        "UPDATE tasks SET state = 'queued', fence = fence + 1, node = NULL"
        f" FROM {values} WHERE id = vid AND fence = vfence AND state = 'dispatched' RETURNING queue",
        params,
    )
    for (queue,) in rows:
        transaction.tally.move(queue, State.DISPATCHED, State.QUEUED)


def end(transaction: Transaction, endings: Sequence[Ending]) -> list[Ending]:
    """Succeed, retry, bury, cancel or release running tasks; return the endings that held.

    A task that a person wants to end does not run again: what would be a retry or a release
    becomes its cancellation.
    """
    kept = _end_as_decided(transaction, endings)
    if len(kept) == len(endings):
        return kept
    held = {ending.work.id for ending in kept}
    unwanted = [
        ending._replace(move=Move.CANCEL, due_at=None)
        for ending in endings
        if ending.work.id not in held and ending.move in (Move.RETRY, Move.RELEASE)
    ]
    return kept + (_end_as_decided(transaction, unwanted) if unwanted else [])


def _end_as_decided(transaction: Transaction, endings: Sequence[Ending]) -> list[Ending]:
    # Of one run reported twice only one end counts, or the database would pick another than the counts.
    by_run = {(each.work.id, each.work.fence): each for each in sorted(endings, key=run_of)}
    values, params = transaction.database.values(ENDING_COLUMNS, [*map(ending_row, by_run.values())])
    rows = transaction.rows(
        "UPDATE tasks SET state = vstate, fence = fence + vrevoked, node = NULL, due_at = COALESCE(vdue, due_at),"
        " finished_at = vfinished, released = released + vreleased, crashes = crashes + vcrashed,"
        " result = vresult, error = verror, cancel_requested = 0"
        f" FROM {values} WHERE id = vid AND fence = vfence AND state = 'running'"
        " AND (cancel_requested = 0 OR vfinished IS NOT NULL)"
        # The fence as it was: only a release raises it, and only a release leads to the queue.
        " RETURNING id, CASE WHEN state = 'queued' THEN fence - 1 ELSE fence END, batch_id",
        params,
    )
    # By fence too: the end of a run that was revoked may come together with the end of the next one.
    batch_of = {(number, fence): batch for number, fence, batch in rows}
    kept = [each for run, each in by_run.items() if run in batch_of]
    for (queue, move), count in Counter([(each.work.queue, each.move) for each in kept]).items():
        transaction.tally.move(queue, State.RUNNING, TARGET[move], count)
    for each in kept:
        batch = batch_of[run_of(each)]
        if batch is not None:
            transaction.tally.move_in_batch(batch, State.RUNNING, TARGET[each.move], each.finished_at)
    return kept


def release_dispatched(
    transaction: Transaction,
    *,
    node: str | None = None,
    before: int | None = None,
    queues: Sequence[str] | None = None,
    ids: Sequence[int] | None = None,
) -> int:
    """Send dispatched tasks back to their queues under a new fence: their messages are lost, late or unwanted.

    All of them, or those that ``node`` dispatched, those dispatched ``before`` a moment, those of ``queues``,
    or some by their numbers, which the caller has locked.
    """
    conditions = ["node IS NOT NULL", "state = 'dispatched'"]
    params: list[object] = []
    if ids is not None:
        conditions.append(f"id IN ({placeholders(ids)})")
        params.extend(ids)
    if node is not None:
        conditions.append("node = %s")
        params.append(node)
    if before is not None:
        conditions.append("dispatched_at < %s")
        params.append(before)
    if queues is not None:
        conditions.append(f"queue IN ({placeholders(queues)})")
        params.extend(queues)
    # Locked rows are being claimed or cancelled by somebody else, which is as good.
    chosen = f"SELECT id FROM tasks WHERE {' AND '.join(conditions)}{transaction.database.locking()}"
    rows = transaction.rows(
        "UPDATE tasks SET state = 'queued', fence = fence + 1, node = NULL"
        f" WHERE id {transaction.database.any_of(chosen)} RETURNING queue",
        params,
    )
    for (queue,) in rows:
        transaction.tally.move(queue, State.DISPATCHED, State.QUEUED)
    return len(rows)


def cancel(transaction: Transaction, ids: Iterable[int], now: int) -> dict[int, State]:
    """Cancel waiting tasks and ask for the end of running ones; return each one's new state.

    Tasks that are final already, or do not exist, are left out of the answer.
    """
    found = locked(transaction, ids)
    waiting = [each for each in found if each.state in WAITING]
    running = [each.id for each in found if each.state is State.RUNNING]
    cancel_waiting(transaction, waiting, now)
    if running:
        transaction.execute(
            f"UPDATE tasks SET cancel_requested = 1 WHERE id IN ({placeholders(running)})", running
        )
    transaction.former += [each.former(raised=False) for each in found if each.state is State.RUNNING]
    return {each.id: State.CANCELLED for each in waiting} | dict.fromkeys(running, State.RUNNING)


def cancel_queue(transaction: Transaction, queue: str, now: int, limit: int) -> int:
    """Cancel up to ``limit`` of the tasks that wait in a queue; return how many.

    Tasks that somebody else is moving at this moment are passed over: waiting for them while holding
    others would end in a deadlock with a daemon, which takes tasks in another order.
    """
    rows = transaction.rows(
        f"SELECT {CHOSEN} FROM tasks WHERE finished_at IS NULL AND queue = %s AND state <> 'running'"
        f" ORDER BY id LIMIT %s{transaction.database.locking()}",
        (queue, limit),
    )
    cancel_waiting(transaction, [chosen(row) for row in rows], now)
    return len(rows)


def cancel_waiting(transaction: Transaction, found: Sequence[Chosen], now: int) -> None:
    """Cancel tasks that wait and are locked."""
    if not found:
        return
    values, params = transaction.database.values((("vid", "bigint"),), [(each.id,) for each in found])
    transaction.execute(
        f"UPDATE tasks SET state = 'cancelled', fence = fence + 1, node = NULL, finished_at = %s FROM {values}"
        " WHERE id = vid AND state IN ('scheduled', 'queued', 'dispatched', 'retrying')",
        (now, *params),
    )
    for each in found:
        transaction.tally.move(each.queue, each.state, State.CANCELLED)
        transaction.tally.move_in_batch(each.batch, each.state, State.CANCELLED, now)
        transaction.observed.count("cancelled", now, each.queue, each.host)
    transaction.former += [each.former(raised=True) for each in found]
    history.note_change(transaction, Move.CANCEL, [each.id for each in found])


def requeue(transaction: Transaction, ids: Iterable[int], now: int) -> list[int]:
    """Send retrying, cancelled and dead tasks back to their queues with a fresh budget; return which went.

    Raises:
        DuplicateTaskError: one is unique, and another open task for its URL exists.
    """
    allowed = sources(Move.REQUEUE)
    found = [each for each in locked(transaction, ids) if each.state in allowed]
    numbers = [each.id for each in found]
    if numbers:
        _requeue(transaction, numbers, now)
        history.note_change(transaction, Move.REQUEUE, numbers)
    transaction.former += [each.former(raised=False) for each in found]
    for each in found:
        transaction.tally.move(each.queue, each.state, State.QUEUED)
        transaction.tally.move_in_batch(each.batch, each.state, State.QUEUED, now)
        transaction.observed.count("requeued", now, each.queue, each.host)
    return numbers


def _requeue(transaction: Transaction, numbers: Sequence[int], now: int) -> None:
    with kept_unique():
        transaction.execute(
            "UPDATE tasks SET state = 'queued', finished_at = NULL, due_at = %s, released = attempt, crashes = 0,"
            f" rank = {RANK_FROM_NOW} WHERE state IN ('cancelled', 'retrying', 'dead') AND id IN"
            f" ({placeholders(numbers)})",
            (now, now, *numbers),
        )


def reschedule(transaction: Transaction, times: Sequence[tuple[int, int, int]], now: int) -> list[int]:
    """Give waiting tasks, as (id, due time, rank), another time to start at; return which got one.

    Nobody has them in hand, so no fence has to rise. A task that is due then already stays as it is.
    """
    before = {each.id: each.state for each in locked(transaction, (each[0] for each in times))}
    values, params = transaction.database.values(
        (("vid", "bigint"), ("vdue", "bigint"), ("vrank", "bigint"), ("vstate", "text")),
        [(*each, (State.SCHEDULED if each[1] > now else State.QUEUED).value) for each in times],
    )
    moved = transaction.rows(
        f"UPDATE tasks SET state = vstate, due_at = vdue, run_at = vdue, rank = vrank FROM {values}"
        " WHERE id = vid AND state IN ('scheduled', 'queued', 'retrying') AND due_at <> vdue"
        " RETURNING id, queue, state",
        params,
    )
    for number, queue, state in moved:
        transaction.tally.move(queue, before[number], State(state))
    numbers = [number for number, _, _ in moved]
    history.note_change(transaction, Move.RESCHEDULE, numbers)
    return numbers
