"""Looking up, waiting, cancelling, retrying, clearing and pausing: the verbs of the manager in every state."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from queuectl import Monitor, QueueManager, Settings
from queuectl.clock import monotonic
from queuectl.domain.lifecycle import FINAL, OPEN, WAITING, Move, State, sources
from queuectl.domain.priority import QUEUES
from queuectl.domain.selection import Selection
from queuectl.errors import (
    DatabaseUnreachableError,
    DuplicateTaskError,
    QueueNotFoundError,
    TaskNotFoundError,
    WaitTimedOutError,
    WrongStateError,
)
from queuectl.operations.administration import database_check, database_init, database_migrate
from queuectl.store import tasks
from queuectl.store.database import Database
from tests.support.factories import (
    NODE,
    NOW,
    all_rows,
    counts_are_right,
    ending,
    finish,
    new_task,
    states,
    stored,
    submit,
    submit_copies,
    task_in,
    work_of,
)
from tests.support.postgres import PostgresServer


@pytest.fixture
def manager(settings: Settings) -> Iterator[QueueManager]:
    with QueueManager(settings) as manager:
        yield manager


class TestLookingUp:
    """One task with its history."""

    @pytest.mark.parametrize(
        "unknown", ["task_1", 1, "1", "task_999999999999999999", "batch_1", "", "task_x", 0, -1]
    )
    def test_a_task_that_is_not_there(self, manager: QueueManager, unknown: str | int) -> None:
        for verb in (manager.get_task, manager.cancel_task, manager.retry_task):
            with pytest.raises(TaskNotFoundError) as refusal:
                verb(unknown)
            assert refusal.value.hint

    def test_a_task_comes_with_all_its_attempts(self, manager: QueueManager, database: Database) -> None:
        number = task_in(database, State.RETRYING)
        with database.writing() as transaction:
            tasks.due(transaction, NOW + 10**6, 1)
            (work,), _ = tasks.start(transaction, "medium_priority", 1, node="second", now=NOW + 9)
            finish(transaction, [ending(work, Move.SUCCEED, result='{"words": 7}')], "second")
        task = manager.get_task(number)
        assert [(each.attempt, each.node, each.outcome) for each in task.attempts] == [
            (1, NODE, "failed"),
            (2, "second", "succeeded"),
        ]
        assert (task.state, task.attempt, task.result, task.error) == (State.SUCCEEDED, 2, {"words": 7}, None)
        assert (task.started_at, task.finished_at) == (NOW + 9, NOW + 500)


class TestWaiting:
    """Until all tasks have ended, or the time has."""

    def end(self, database: Database, number: int, move: Move) -> None:
        work = work_of(database, number)
        with database.writing() as transaction:
            finish(transaction, [ending(work, move)])

    @pytest.mark.parametrize("state", sorted(FINAL))
    def test_a_task_that_has_ended_is_returned_at_once(
        self, manager: QueueManager, database: Database, state: State
    ) -> None:
        number = task_in(database, state)
        (task,) = manager.wait_for([f"task_{number}"], timeout=0)
        assert task == manager.get_task(number)
        assert task.state is state

    def test_nothing_to_wait_for_is_over_at_once(self, manager: QueueManager) -> None:
        assert manager.wait_for([]) == []

    def test_all_are_returned_in_the_order_of_asking(self, manager: QueueManager, database: Database) -> None:
        one, other = (task_in(database, State.DEAD, number) for number in (1, 2))
        assert [task.id for task in manager.wait_for([other, one, other])] == [other, one, other]

    @pytest.mark.parametrize("state", sorted(OPEN))
    def test_the_time_runs_out(self, manager: QueueManager, database: Database, state: State) -> None:
        number = task_in(database, state)
        begun = monotonic()
        with pytest.raises(WaitTimedOutError) as refusal:
            manager.wait_for([number], timeout=0.05)
        assert monotonic() - begun >= 0.05
        assert f"task_{number} is still {state} after 0.05 s" in refusal.value.message
        assert "queuectl show" in (refusal.value.hint or "")
        assert states(database) == {number: state}

    @pytest.mark.parametrize("ids", [["task_1"], ["task_1", "task_x"]])
    def test_what_is_not_there_cannot_be_waited_for(self, manager: QueueManager, ids: list[str]) -> None:
        with pytest.raises(TaskNotFoundError):
            manager.wait_for(ids, timeout=5)

    def test_the_end_is_noticed_and_every_change_told(
        self, manager: QueueManager, database: Database
    ) -> None:
        running = task_in(database, State.RUNNING)
        failing = task_in(database, State.RUNNING, 2)
        told: list[tuple[int, State]] = []
        changed = threading.Condition()

        def tell(number: int, state: State) -> None:
            with changed:
                told.append((number, state))
                changed.notify_all()

        def is_told(number: int, state: State) -> None:
            with changed:
                assert changed.wait_for(lambda: (number, state) in told, timeout=10)

        def waits() -> list[State]:
            try:
                return [task.state for task in manager.wait_for([running, failing], 30, tell)]
            finally:
                manager.close()

        with ThreadPoolExecutor(1) as thread:
            pending = thread.submit(waits)
            is_told(failing, State.RUNNING)
            self.end(database, failing, Move.RETRY)
            is_told(failing, State.RETRYING)
            self.end(database, running, Move.SUCCEED)
            is_told(running, State.SUCCEEDED)
            manager.cancel_task(failing)
            assert pending.result(30) == [State.SUCCEEDED, State.CANCELLED]
        assert sorted(told) == sorted(
            [
                (running, State.RUNNING),
                (running, State.SUCCEEDED),
                (failing, State.RUNNING),
                (failing, State.RETRYING),
                (failing, State.CANCELLED),
            ]
        )


class TestCancelling:
    """A waiting task ends at once, a running one is asked to."""

    @pytest.mark.parametrize("state", sorted(WAITING))
    def test_a_waiting_task_is_cancelled(
        self, manager: QueueManager, database: Database, state: State
    ) -> None:
        number = task_in(database, state)
        task = manager.cancel_task(f"task_{number}")
        assert (task.state, task.cancel_requested) == (State.CANCELLED, False)
        assert task == manager.get_task(number)
        assert task.finished_at is not None
        with pytest.raises(WrongStateError):
            manager.cancel_task(number)

    def test_a_running_task_goes_on_until_it_hears(self, manager: QueueManager, database: Database) -> None:
        number = task_in(database, State.RUNNING)
        for _ in range(2):
            task = manager.cancel_task(number)
            assert (task.state, task.cancel_requested) == (State.RUNNING, True)
        work = work_of(database, number)
        with database.writing() as transaction:
            finish(transaction, [ending(work, Move.CANCEL)])
        assert manager.get_task(number).state is State.CANCELLED

    @pytest.mark.parametrize("state", sorted(FINAL))
    def test_what_has_ended_stays_as_it_is(
        self, manager: QueueManager, database: Database, state: State
    ) -> None:
        number = task_in(database, state)
        before = stored(database, number)
        with pytest.raises(WrongStateError, match=f"task_{number} has ended already: it is {state}"):
            manager.cancel_task(number)
        assert stored(database, number) == before


class TestRetrying:
    """A person sends a task back."""

    @pytest.mark.parametrize("state", sorted(sources(Move.REQUEUE)))
    def test_it_is_queued_with_a_fresh_budget(
        self, manager: QueueManager, database: Database, state: State
    ) -> None:
        number = task_in(database, state)
        task = manager.retry_task(f"task_{number}")
        assert task == manager.get_task(number)
        assert (task.state, task.finished_at) == (State.QUEUED, None)
        row = stored(database, number)
        assert row["attempt"] == row["released"]
        assert all_rows(database, "dead_letters") == []
        assert len(task.attempts) == row["attempt"]
        assert counts_are_right(database)

    @pytest.mark.parametrize("state", sorted(set(State) - sources(Move.REQUEUE)))
    def test_other_states_are_refused(self, manager: QueueManager, database: Database, state: State) -> None:
        number = task_in(database, state)
        before = stored(database, number)
        with pytest.raises(WrongStateError, match=f"it is {state}") as refusal:
            manager.retry_task(number)
        assert "retrying, cancelled and dead" in (refusal.value.hint or "")
        assert stored(database, number) == before

    def test_a_unique_one_is_refused_beside_another(self, manager: QueueManager, database: Database) -> None:
        first = manager.submit_task("https://example.com/", unique=True)
        manager.cancel_task(first)
        manager.submit_task("https://example.com/", unique=True)
        with pytest.raises(DuplicateTaskError):
            manager.retry_task(first)
        assert manager.get_task(first).state is State.CANCELLED
        assert counts_are_right(database)


class TestClearing:
    """All that waits in a queue is cancelled, and nothing else."""

    @pytest.mark.parametrize("name", ["medium", "medium_priority", " Medium "])
    def test_what_waits_goes_and_what_runs_or_has_ended_stays(
        self, manager: QueueManager, database: Database, name: str
    ) -> None:
        ids = {state: task_in(database, state, number) for number, state in enumerate(list(State)[::-1])}
        elsewhere = task_in(database, State.QUEUED, 50, score=8)
        assert manager.count_waiting(name) == 4
        assert manager.clear_queue(name) == 4
        assert manager.count_waiting(name) == 0
        assert manager.clear_queue(name) == 0
        found = states(database)
        assert found.pop(elsewhere) is State.QUEUED
        assert found == {
            number: State.CANCELLED if state in WAITING else state for state, number in ids.items()
        }
        assert counts_are_right(database)

    def test_thousands_go_in_bounded_groups(self, manager: QueueManager, database: Database) -> None:
        with database.writing() as transaction:
            submit_copies(transaction, (new_task(number) for number in range(11_000)))
        assert manager.clear_queue("medium") == 11_000
        assert set(states(database).values()) == {State.CANCELLED}
        assert counts_are_right(database)

    def test_an_empty_queue_is_cleared_quickly(self, manager: QueueManager) -> None:
        assert manager.clear_queue("urgent") == 0

    def test_a_task_that_a_daemon_holds_at_that_moment_is_cancelled_when_it_is_let_go(
        self, home: Path, emptied_postgres: str
    ) -> None:
        manager = QueueManager(Settings(home=home, database_url=emptied_postgres))
        daemon = Database(emptied_postgres)
        with daemon.writing() as transaction:
            submit(transaction, new_task(1), new_task(2))

        def clears() -> int:
            try:
                return manager.clear_queue("medium")
            finally:
                manager.close()

        with ThreadPoolExecutor(1) as thread:
            with daemon.writing() as transaction:
                tasks.dispatch(transaction, "medium_priority", 1, node=NODE, now=NOW)
                pending = thread.submit(clears)
                with pytest.raises(TimeoutError):
                    pending.result(0.2)
                later = submit(transaction, new_task(3))[0]
            assert pending.result(30) in (2, 3)
        found = states(daemon)
        assert found.pop(later) in (State.QUEUED, State.CANCELLED)
        assert set(found.values()) == {State.CANCELLED}
        assert counts_are_right(daemon)
        daemon.close()


class TestPausing:
    """Of a paused queue nothing more starts."""

    @pytest.mark.parametrize("queue", QUEUES)
    def test_a_switch_has_two_positions(self, manager: QueueManager, database: Database, queue: str) -> None:
        assert manager.resume_queue(queue) is False
        assert manager.pause_queue(queue) is True
        assert manager.pause_queue(queue.removesuffix("_priority")) is False
        assert {row["name"] for row in all_rows(database, "queues") if row["paused"]} == {queue}
        assert manager.resume_queue(queue) is True
        assert not any(row["paused"] for row in all_rows(database, "queues"))

    def test_a_paused_queue_still_takes_tasks_in(self, manager: QueueManager) -> None:
        manager.pause_queue("high")
        task = manager.get_task(manager.submit_task("https://example.com/", "high"))
        assert (task.state, task.queue) == (State.QUEUED, "high_priority")

    @pytest.mark.parametrize("name", ["", "night", "task_1", "medium priority"])
    def test_a_queue_that_is_not_there(self, manager: QueueManager, name: str) -> None:
        for verb in (manager.pause_queue, manager.resume_queue, manager.clear_queue, manager.count_waiting):
            with pytest.raises(QueueNotFoundError) as refusal:
                verb(name)
            assert "medium_priority" in (refusal.value.hint or "")


def test_threads_may_share_a_manager(manager: QueueManager, database: Database) -> None:
    def works(number: int) -> str:
        try:
            task_id = manager.submit_task(f"https://example.com/{number}", "urgent" if number % 2 else "low")
            manager.cancel_task(task_id)
            return manager.retry_task(task_id).state
        finally:
            manager.close()

    with ThreadPoolExecutor(4) as threads:
        assert set(threads.map(works, range(16))) == {State.QUEUED}
    assert len(manager.list_tasks(Selection(limit=100))) == 16
    assert counts_are_right(database)


def test_every_verb_says_so_when_the_database_is_away(
    home: Path, own_postgres: Callable[..., PostgresServer]
) -> None:
    server = own_postgres()
    settings = Settings(home=home, database_url=server.url(server.create_database()))
    manager, monitor = QueueManager(settings), Monitor(settings)
    task_id = manager.submit_task("https://example.com/")
    server.stop()
    verbs: list[Callable[[], object]] = [
        lambda: manager.submit_task("https://example.com/"),
        lambda: manager.submit_batch(["https://example.com/"]),
        lambda: manager.submit_entries([]),
        lambda: manager.get_task(task_id),
        lambda: manager.list_tasks(),
        lambda: manager.wait_for([task_id], timeout=5),
        lambda: manager.cancel_task(task_id),
        lambda: manager.retry_task(task_id),
        lambda: manager.clear_queue("high"),
        lambda: manager.count_waiting("high"),
        lambda: manager.pause_queue("high"),
        lambda: manager.resume_queue("high"),
        lambda: manager.update_queue_config("high", {"max_size": 5}),
        lambda: manager.get_queue_config("high"),
        monitor.get_realtime_status,
        monitor.running,
        monitor.get_dead_letter_queue,
        lambda: monitor.get_dead_letter(1),
        lambda: monitor.get_batch(1),
        lambda: QueueManager(settings),
        lambda: database_check(settings),
        lambda: database_init(settings),
        lambda: database_migrate(settings),
    ]
    for verb in verbs:
        with pytest.raises(DatabaseUnreachableError):
            verb()
    server.start()
    assert manager.get_task(task_id).state is State.QUEUED
    assert monitor.get_realtime_status().queues[2].queued == 1
    manager.close()
    monitor.close()
