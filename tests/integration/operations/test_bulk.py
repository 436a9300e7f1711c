"""Verbs on many tasks: in groups, exact in what they say, and fair to whoever is at work on the same tasks."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from queuectl import QueueManager, Settings
from queuectl.domain.bulk import BulkResult, Outcome
from queuectl.domain.lifecycle import FINAL, WAITING, Move, State, sources
from queuectl.domain.priority import LEVELS, rank
from queuectl.domain.selection import Selection
from queuectl.errors import InvalidInputError, TaskNotFoundError, WrongStateError
from queuectl.operations import bulk
from queuectl.operations.bulk import Progress
from queuectl.store import tasks
from queuectl.store.database import Database
from queuectl.store.ordering import apply_aging
from tests.support.factories import (
    NOW,
    all_rows,
    counts_are_right,
    new_task,
    states,
    stored,
    submit,
    submit_copies,
    task_in,
)


@pytest.fixture
def manager(settings: Settings) -> Iterator[QueueManager]:
    with QueueManager(settings) as manager:
        yield manager


@pytest.fixture
def small_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make groups so small that a few tasks need several."""
    monkeypatch.setattr(bulk, "GROUP", 7)
    monkeypatch.setattr(bulk, "_PAUSE_SECONDS", 0.0)


def one_of_each(database: Database) -> dict[State, int]:
    return {state: task_in(database, state, number) for number, state in enumerate(list(State)[::-1])}


def outcomes(result: BulkResult) -> dict[Outcome, int]:
    return {outcome: number for outcome, number in result.outcomes.items() if number}


class TestCancelling:
    """Every state, by ids and by filters."""

    def test_a_filter_finds_what_can_be_cancelled(self, manager: QueueManager, database: Database) -> None:
        ids = one_of_each(database)
        result = manager.cancel_tasks(Selection(host="example.com"))
        assert outcomes(result) == {Outcome.DONE: 5}
        assert result.asked == 1
        for state in WAITING:
            assert stored(database, ids[state])["state"] == State.CANCELLED
        assert stored(database, ids[State.RUNNING])["cancel_requested"] == 1
        assert counts_are_right(database)

    def test_ids_are_each_accounted_for(self, manager: QueueManager, database: Database) -> None:
        ids = one_of_each(database)
        result = manager.cancel_tasks(Selection(ids=(*ids.values(), 99, 98, 98)))
        assert outcomes(result) == {Outcome.DONE: 5, Outcome.WRONG_STATE: 3, Outcome.MISSING: 2}
        assert (result.done, result.refused, result.looked_at) == (5, 3, 10)

    def test_ids_and_filters_must_both_hold(self, manager: QueueManager, database: Database) -> None:
        high = task_in(database, State.QUEUED, 1, score=8)
        low = task_in(database, State.QUEUED, 2, score=3)
        task_in(database, State.QUEUED, 3, score=1)
        result = manager.cancel_tasks(
            Selection(ids=(high, low), queues=("low_priority", "background_priority"))
        )
        assert outcomes(result) == {Outcome.DONE: 1}
        assert [number for number, state in states(database).items() if state is State.CANCELLED] == [low]

    def test_states_that_allow_nothing_are_told(self, manager: QueueManager, database: Database) -> None:
        one_of_each(database)
        result = manager.cancel_tasks(Selection(states=(State.DEAD, State.SUCCEEDED)))
        assert outcomes(result) == {Outcome.WRONG_STATE: 2}

    @pytest.mark.usefixtures("small_groups")
    def test_the_oldest_come_first_and_the_limit_holds(
        self, manager: QueueManager, database: Database
    ) -> None:
        with database.writing() as transaction:
            batch = submit_copies(transaction, [new_task(number) for number in range(30)])
        told: list[Progress] = []
        result = manager.cancel_tasks(Selection(batch=batch, limit=17), on_group=told.append)
        assert result.done == 17
        assert [len(each.done) for each in told] == [7, 7, 3]
        cancelled = [number for number, state in states(database).items() if state is State.CANCELLED]
        assert sorted(cancelled) == list(range(1, 18))

    @pytest.mark.usefixtures("small_groups")
    def test_what_is_submitted_meanwhile_is_left_alone(
        self, manager: QueueManager, database: Database
    ) -> None:
        with database.writing() as transaction:
            submit(transaction, *(new_task(number) for number in range(20)))

        def submit_more(progress: Progress) -> None:
            with database.writing() as transaction:
                submit(transaction, new_task(100 + progress.result.looked_at))

        assert manager.cancel_tasks(Selection(queues=("medium_priority",)), on_group=submit_more).done == 20
        assert Counter(states(database).values()) == {State.CANCELLED: 20, State.QUEUED: 3}

    @pytest.mark.usefixtures("small_groups")
    def test_stopping_between_groups_leaves_the_rest(self, manager: QueueManager, database: Database) -> None:
        with database.writing() as transaction:
            submit(transaction, *(new_task(number) for number in range(20)))
        result = manager.cancel_tasks(Selection(url="/"), should_stop=lambda: True)
        assert (result.done, result.stopped) == (7, True)
        assert Counter(states(database).values()) == {State.CANCELLED: 7, State.QUEUED: 13}

    @pytest.mark.usefixtures("small_groups")
    def test_what_changes_under_its_hands_is_told_apart(
        self, manager: QueueManager, database: Database
    ) -> None:
        with database.writing() as transaction:
            submit(transaction, *(new_task(number) for number in range(7)))
        real = tasks.cancel

        def slow(transaction, ids, now):
            wanted = list(ids)
            real(transaction, wanted[:2], now)  # as if another operator had been there between look and act
            return real(transaction, wanted, now)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(tasks, "cancel", slow)
            result = manager.cancel_tasks(Selection(queues=("medium_priority",)))
        assert outcomes(result) == {Outcome.DONE: 5, Outcome.CHANGED: 2}

    @pytest.mark.usefixtures("small_groups")
    def test_of_two_operators_one_wins_each_task(self, settings: Settings, database: Database) -> None:
        with database.writing() as transaction:
            submit(transaction, *(new_task(number) for number in range(60)))
        together = threading.Barrier(2)

        def cancel() -> BulkResult:
            with QueueManager(settings) as mine:
                together.wait()
                return mine.cancel_tasks(Selection(ids=tuple(range(1, 61))))

        with ThreadPoolExecutor(2) as pool:
            one, other = (each.result() for each in [pool.submit(cancel), pool.submit(cancel)])
        assert one.done + other.done == 60
        assert one.looked_at == other.looked_at == 60
        assert counts_are_right(database)


class TestRetrying:
    """Sending back what was given up."""

    def test_only_what_can_go_back_goes_back(self, manager: QueueManager, database: Database) -> None:
        ids = one_of_each(database)
        result = manager.retry_tasks(Selection(ids=tuple(ids.values())))
        assert outcomes(result) == {Outcome.DONE: 3, Outcome.WRONG_STATE: 5}
        for state in sources(Move.REQUEUE):
            assert stored(database, ids[state])["state"] == State.QUEUED
        assert all_rows(database, "dead_letters") == []
        assert counts_are_right(database)

    @pytest.mark.usefixtures("small_groups")
    def test_one_that_must_be_unique_does_not_hold_up_the_others(
        self, manager: QueueManager, database: Database
    ) -> None:
        with database.writing() as transaction:
            numbers = submit(transaction, *(new_task(number, unique_key=number) for number in range(10)))
            tasks.cancel(transaction, numbers, NOW)
            submit(transaction, new_task(3, unique_key=3), new_task(8, unique_key=8))
        result = manager.retry_tasks(Selection(states=(State.CANCELLED,)))
        assert outcomes(result) == {Outcome.DONE: 8, Outcome.DUPLICATE: 2}
        assert [number for number, state in states(database).items() if state is State.CANCELLED] == [4, 9]
        assert counts_are_right(database)


class TestReprioritizing:
    """Another score, and with it another queue, rank and, where a message is out, another fence."""

    @pytest.mark.parametrize("state", sorted(WAITING))
    def test_a_waiting_task_moves(self, manager: QueueManager, database: Database, state: State) -> None:
        number = task_in(database, state, score=3)
        before = stored(database, number)
        task = manager.reprioritize_task(number, "urgent")
        assert (task.queue, task.priority_score) == ("urgent_priority", 10)
        after = stored(database, number)
        was_dispatched = state is State.DISPATCHED
        assert after["state"] == (State.QUEUED if was_dispatched else state)
        assert after["fence"] == before["fence"] + was_dispatched
        assert after["rank"] == -10
        assert after["due_at"] == before["due_at"]
        assert counts_are_right(database)

    def test_a_message_that_is_out_claims_nothing_any_more(
        self, manager: QueueManager, database: Database
    ) -> None:
        number = task_in(database, State.DISPATCHED, score=3)
        message = (number, stored(database, number)["fence"])
        manager.reprioritize_task(number, score=9)
        with database.writing() as transaction:
            assert tasks.claim(transaction, [message], node="late", now=NOW) == []

    @pytest.mark.parametrize("state", [State.RUNNING, *sorted(FINAL)])
    def test_what_does_not_wait_keeps_its_score(
        self, manager: QueueManager, database: Database, state: State
    ) -> None:
        number = task_in(database, state, score=3)
        with pytest.raises(WrongStateError, match=f"it is {state}"):
            manager.reprioritize_task(number, "high")
        assert stored(database, number)["priority_score"] == 3

    @pytest.mark.parametrize("minutes", [None, 2.5])
    def test_the_rank_follows_the_stored_aging_whatever_the_own_setting_says(
        self, settings: Settings, database: Database, minutes: float | None
    ) -> None:
        number = task_in(database, State.QUEUED, score=3)
        apply_aging(database, minutes)
        with QueueManager(replace(settings, priority_aging=7)) as manager:
            manager.reprioritize_tasks(Selection(ids=(number,)), score=-7)
        row = stored(database, number)
        assert row["rank"] == rank(-7, row["due_at"], minutes)

    def test_the_new_order_is_that_in_which_tasks_start(
        self, manager: QueueManager, database: Database
    ) -> None:
        with database.writing() as transaction:
            submit(transaction, *(new_task(number, score=5) for number in range(4)))
        manager.reprioritize_tasks(Selection(ids=(3,)), score=6)
        with database.writing() as transaction:
            claimed, _ = tasks.start(transaction, "medium_priority", 4, node="n", now=NOW)
        assert [work.id for work in claimed] == [3, 1, 2, 4]

    def test_all_queues_can_be_left_and_entered(self, manager: QueueManager, database: Database) -> None:
        for number, level in enumerate(LEVELS):
            task_in(database, State.QUEUED, number, score=level.score)
        assert manager.reprioritize_tasks(Selection(states=(State.QUEUED,)), "background").done == 5
        assert {row["queue"] for row in all_rows(database, "tasks")} == {"background_priority"}
        assert counts_are_right(database)

    def test_what_the_new_priority_is_must_be_clear(self, manager: QueueManager, database: Database) -> None:
        number = task_in(database, State.QUEUED)
        for arguments in ({}, {"priority": "high", "score": 3}, {"priority": "hgih"}, {"score": 10**9}):
            with pytest.raises(InvalidInputError):
                manager.reprioritize_task(number, **arguments)
        with pytest.raises(TaskNotFoundError):
            manager.reprioritize_task(99, "high")


def test_a_thousand_groups_keep_memory_flat(manager: QueueManager, database: Database) -> None:
    import tracemalloc

    with database.writing() as transaction:
        submit_copies(transaction, (new_task(number % 50) for number in range(20_000)))
    tracemalloc.start()
    result = manager.cancel_tasks(Selection(queues=("medium_priority",)))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert result.done == 20_000
    assert peak < 8 * 2**20
    assert counts_are_right(database)
