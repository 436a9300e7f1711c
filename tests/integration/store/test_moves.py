"""Every move from every state: a task moves exactly when the table of moves allows it, and else stays as it is.

The table below names each function of the store that moves tasks. Each is let loose on one task of every
state at once, so that what it may not touch is there to be touched.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from queuectl.domain.lifecycle import MOVES, WAITING, Move, State, sources
from queuectl.domain.task import Claimed
from queuectl.store import restoring, tasks
from queuectl.store.audit import Former
from queuectl.store.database import Database, Transaction
from tests.support.factories import (
    NODE,
    NOW,
    all_rows,
    counts_are_right,
    ending,
    finish,
    task_in,
    undone,
    work_of,
)

LATER = NOW + 3_600_000
QUEUE = "medium_priority"

Moved = set[int] | int
"""The tasks that a function says it has moved, or how many."""


@dataclass(frozen=True, slots=True)
class Operation:
    """A function of the store: the move it makes, and the part of the move's sources that it handles."""

    move: Move
    handles: frozenset[State]
    target: State
    apply: Callable[[Transaction, list[Claimed]], Moved]


def due(transaction: Transaction, works: list[Claimed]) -> Moved:
    return tasks.due(transaction, LATER, 100)


def dispatch(transaction: Transaction, works: list[Claimed]) -> Moved:
    messages, _ = tasks.dispatch(transaction, QUEUE, 100, node="other", now=LATER)
    return {message.id for message in messages}


def start(transaction: Transaction, works: list[Claimed]) -> Moved:
    begun, _ = tasks.start(transaction, QUEUE, 100, node="other", now=LATER)
    return {work.id for work in begun}


def claim(transaction: Transaction, works: list[Claimed]) -> Moved:
    messages = [(work.id, work.fence) for work in works]
    return {work.id for work in tasks.claim(transaction, messages, node="other", now=LATER)}


def end(move: Move) -> Callable[[Transaction, list[Claimed]], Moved]:
    def apply(transaction: Transaction, works: list[Claimed]) -> Moved:
        return {held.work.id for held in finish(transaction, [ending(work, move) for work in works])}

    return apply


def release_dispatched(transaction: Transaction, works: list[Claimed]) -> Moved:
    return tasks.release_dispatched(transaction)


def cancel(transaction: Transaction, works: list[Claimed]) -> Moved:
    answer = tasks.cancel(transaction, [work.id for work in works], LATER)
    return {task for task, state in answer.items() if state is State.CANCELLED}


def cancel_queue(transaction: Transaction, works: list[Claimed]) -> Moved:
    return tasks.cancel_queue(transaction, QUEUE, LATER, 100)


def requeue(transaction: Transaction, works: list[Claimed]) -> Moved:
    return set(tasks.requeue(transaction, [work.id for work in works], LATER))


def reschedule(moment: int) -> Callable[[Transaction, list[Claimed]], Moved]:
    def apply(transaction: Transaction, works: list[Claimed]) -> Moved:
        return set(tasks.reschedule(transaction, [(work.id, moment, -5) for work in works], LATER))

    return apply


def restore(former: State) -> Callable[[Transaction, list[Claimed]], Moved]:
    def apply(transaction: Transaction, works: list[Claimed]) -> Moved:
        wanted = [Former(work.id, former, 5, work.fence, 5) for work in works]
        answer = restoring.restore(transaction, wanted, LATER)
        assert all(state is former for state in answer.values())
        return set(answer)

    return apply


def unqueue(former: State) -> Callable[[Transaction, list[Claimed]], Moved]:
    def apply(transaction: Transaction, works: list[Claimed]) -> Moved:
        ended = None if former is State.RETRYING else LATER
        wanted = [
            restoring.Requeued(work.id, former.value, work.fence, LATER + 1, 0, 0, ended) for work in works
        ]
        answer = restoring.unqueue(transaction, wanted, LATER)
        assert all(state is former for state in answer.values())
        return set(answer)

    return apply


def cancel_unchanged(transaction: Transaction, works: list[Claimed]) -> Moved:
    return set(restoring.cancel_unchanged(transaction, {work.id: work.fence for work in works}, LATER))


CANCELLED = frozenset({State.CANCELLED})
RUNNING = frozenset({State.RUNNING})
DISPATCHED = frozenset({State.DISPATCHED})

OPERATIONS = {
    "due": Operation(Move.DUE, sources(Move.DUE), State.QUEUED, due),
    "dispatch": Operation(Move.DISPATCH, sources(Move.DISPATCH), State.DISPATCHED, dispatch),
    # Dispatch and claim in one: from where the one starts to where the other leads.
    "start": Operation(Move.DISPATCH, sources(Move.DISPATCH), State.RUNNING, start),
    "claim": Operation(Move.CLAIM, sources(Move.CLAIM), State.RUNNING, claim),
    "succeed": Operation(Move.SUCCEED, RUNNING, State.SUCCEEDED, end(Move.SUCCEED)),
    "retry": Operation(Move.RETRY, RUNNING, State.RETRYING, end(Move.RETRY)),
    "bury": Operation(Move.BURY, RUNNING, State.DEAD, end(Move.BURY)),
    "release": Operation(Move.RELEASE, RUNNING, State.QUEUED, end(Move.RELEASE)),
    "release_dispatched": Operation(Move.RELEASE, DISPATCHED, State.QUEUED, release_dispatched),
    # A running task is only asked to end; the end of its run makes the move.
    "cancel": Operation(Move.CANCEL, WAITING, State.CANCELLED, cancel),
    "cancel_running": Operation(Move.CANCEL, RUNNING, State.CANCELLED, end(Move.CANCEL)),
    "cancel_queue": Operation(Move.CANCEL, WAITING, State.CANCELLED, cancel_queue),
    "requeue": Operation(Move.REQUEUE, sources(Move.REQUEUE), State.QUEUED, requeue),
    "reschedule": Operation(
        Move.RESCHEDULE, sources(Move.RESCHEDULE), State.SCHEDULED, reschedule(LATER + 1)
    ),
    "reschedule_now": Operation(Move.RESCHEDULE, sources(Move.RESCHEDULE), State.QUEUED, reschedule(LATER)),
    **{
        f"restore_{former}": Operation(Move.RESTORE, CANCELLED, former, restore(former))
        for former in (State.SCHEDULED, State.QUEUED, State.RETRYING)
    },
    **{
        f"unqueue_{former}": Operation(Move.UNQUEUE, sources(Move.UNQUEUE), former, unqueue(former))
        for former in (State.RETRYING, State.CANCELLED, State.DEAD)
    },
    "cancel_unchanged": Operation(Move.CANCEL, WAITING, State.CANCELLED, cancel_unchanged),
}


def test_the_functions_together_make_every_move_from_all_its_sources() -> None:
    for move in set(Move) - {Move.SUBMIT}:
        those = [operation for operation in OPERATIONS.values() if operation.move is move]
        assert frozenset().union(*(each.handles for each in those)) == sources(move)
        for name, operation in OPERATIONS.items():
            assert operation.target in MOVES[operation.move][1] or name == "start"


@pytest.fixture
def one_of_each(database: Database) -> dict[State, int]:
    """Give a task in every state, all in one queue."""
    last = [State.QUEUED]  # the others pass through the queue and must be alone there
    order = [state for state in State if state not in last] + last
    return {state: task_in(database, state, number) for number, state in enumerate(order, 1)}


@pytest.mark.parametrize("name", list(OPERATIONS))
class TestEveryMove:
    """One function on one task of every state."""

    def test_moves_what_the_table_allows_and_nothing_else(
        self, database: Database, one_of_each: dict[State, int], name: str
    ) -> None:
        operation = OPERATIONS[name]
        before = {row["id"]: row for row in all_rows(database, "tasks")}
        works = [work_of(database, task) for task in one_of_each.values()]

        with database.writing() as transaction:
            moved = operation.apply(transaction, works)

        after = {row["id"]: row for row in all_rows(database, "tasks")}
        expected = {task for state, task in one_of_each.items() if state in operation.handles}
        assert moved == (len(expected) if isinstance(moved, int) else expected)
        for state, task in one_of_each.items():
            if state in operation.handles:
                assert after[task]["state"] == operation.target
            elif name == "cancel" and state is State.RUNNING:
                assert after[task] == before[task] | {"cancel_requested": 1}
            else:
                assert after[task] == before[task], f"{name} has changed a task that was {state}"
        assert counts_are_right(database)

    def test_does_nothing_a_second_time(
        self, database: Database, one_of_each: dict[State, int], name: str
    ) -> None:
        operation = OPERATIONS[name]
        works = [work_of(database, task) for task in one_of_each.values()]
        with database.writing() as transaction:
            operation.apply(transaction, works)
        rows, attempts, letters = everything(database)

        with database.writing() as transaction:
            again = operation.apply(transaction, works)

        assert not again
        assert everything(database) == (rows, attempts, letters)
        assert counts_are_right(database)

    def test_leaves_no_trace_when_its_transaction_fails(
        self, database: Database, one_of_each: dict[State, int], name: str
    ) -> None:
        operation = OPERATIONS[name]
        works = [work_of(database, task) for task in one_of_each.values()]
        before = everything(database)

        with undone(database) as transaction:
            assert operation.apply(transaction, works)

        assert everything(database) == before
        assert counts_are_right(database)


FENCED = ["claim", "succeed", "retry", "bury", "release", "cancel_running"]


@pytest.mark.parametrize("wrong", [-1, 1, 1000])
@pytest.mark.parametrize("name", FENCED)
def test_a_message_or_end_under_another_fence_is_stale(
    database: Database, one_of_each: dict[State, int], name: str, wrong: int
) -> None:
    works = [work_of(database, task) for task in one_of_each.values()]
    before = everything(database)

    with database.writing() as transaction:
        moved = OPERATIONS[name].apply(
            transaction, [work._replace(fence=work.fence + wrong) for work in works]
        )

    assert not moved
    assert everything(database) == before
    assert counts_are_right(database)


@pytest.mark.parametrize("name", FENCED)
def test_a_task_that_is_not_there_is_passed_over(database: Database, name: str) -> None:
    task = task_in(database, State.QUEUED)
    with database.writing() as transaction:
        missing = work_of_queued(transaction)._replace(id=task + 1)
        assert not OPERATIONS[name].apply(transaction, [missing])


def work_of_queued(transaction: Transaction) -> Claimed:
    """Start the one queued task and return it."""
    (work,), _ = tasks.start(transaction, QUEUE, 1, node=NODE, now=NOW)
    return work


def everything(database: Database) -> tuple[list, list, list]:
    """Return all that a move may write."""
    return all_rows(database, "tasks"), all_rows(database, "attempts"), all_rows(database, "dead_letters")
