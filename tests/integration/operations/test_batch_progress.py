"""How far batches are: exact counts after every way to end or come back, and estimates that say what they are."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from queuectl import Monitor, QueueManager, Settings
from queuectl.clock import now_ms
from queuectl.domain.batch import expected_end
from queuectl.domain.lifecycle import Move
from queuectl.errors import BatchNotFoundError
from queuectl.store import check, nodes, tasks
from queuectl.store.database import Database
from tests.integration.operations.test_explain import DAEMON
from tests.support.factories import NODE, NOW, ending, finish, new_task, submit, submit_copies, undone

QUEUE = "medium_priority"


@pytest.fixture
def manager(settings: Settings) -> Iterator[QueueManager]:
    with QueueManager(settings) as manager:
        yield manager


@pytest.fixture
def monitor(settings: Settings) -> Iterator[Monitor]:
    monitor = Monitor(settings)
    yield monitor
    monitor.close()


def a_batch(database: Database, size: int) -> int:
    with database.writing() as transaction:
        return submit_copies(transaction, [new_task(number) for number in range(size)])


def end_next(database: Database, *moves: Move, at: int = NOW + 500) -> None:
    """Start and end the next queued tasks, one by each move."""
    with database.writing() as transaction:
        works, _ = tasks.start(transaction, QUEUE, len(moves), node=NODE, now=NOW)
        finish(
            transaction,
            [ending(work, move, finished_at=at) for work, move in zip(works, moves, strict=True)],
        )


def counts(monitor: Monitor, batch: int) -> tuple[int, int, int, int]:
    status = monitor.get_batch_status(batch)
    return status.open, status.succeeded, status.dead, status.cancelled


class TestCounts:
    """Kept counts, by every move that ends a task of a batch or brings it back."""

    def test_a_new_batch_is_all_open(self, monitor: Monitor, database: Database) -> None:
        assert counts(monitor, a_batch(database, 3)) == (3, 0, 0, 0)

    def test_each_end_counts_once(self, monitor: Monitor, database: Database) -> None:
        batch = a_batch(database, 8)
        end_next(database, Move.SUCCEED, Move.SUCCEED, Move.BURY, Move.CANCEL, Move.RETRY, Move.RELEASE)
        assert counts(monitor, batch) == (4, 2, 1, 1)

    def test_a_cancelled_queue_and_a_retry_are_counted(
        self, manager: QueueManager, monitor: Monitor, database: Database
    ) -> None:
        batch = a_batch(database, 5)
        end_next(database, Move.BURY)
        manager.cancel_task(2)
        manager.clear_queue(QUEUE)
        assert counts(monitor, batch) == (0, 0, 1, 4)
        manager.retry_task(1)
        manager.retry_task(2)
        assert counts(monitor, batch) == (2, 0, 0, 3)

    def test_an_end_that_did_not_hold_does_not_count(self, monitor: Monitor, database: Database) -> None:
        batch = a_batch(database, 2)
        with undone(database) as transaction:
            works, _ = tasks.start(transaction, QUEUE, 2, node=NODE, now=NOW)
            finish(transaction, [ending(work, Move.SUCCEED) for work in works])
        assert counts(monitor, batch) == (2, 0, 0, 0)

    def test_tasks_of_no_batch_leave_nothing(self, database: Database) -> None:
        with database.writing() as transaction:
            submit(transaction, new_task(1))
        end_next(database, Move.SUCCEED)
        with database.reading() as transaction:
            assert transaction.rows("SELECT COUNT(*) FROM batch_counters") == [(0,)]

    def test_a_wrong_count_is_found(self, database: Database) -> None:
        batch = a_batch(database, 2)
        end_next(database, Move.SUCCEED)
        with database.writing() as transaction:
            transaction.execute("UPDATE batch_counters SET tasks = 2")
        with database.reading() as transaction:
            assert check.wrong_counts(transaction) == [f"batch_{batch} succeeded: 2 kept, 1 stored"]

    def test_counts_outlive_the_tasks(self, monitor: Monitor, database: Database) -> None:
        batch = a_batch(database, 3)
        end_next(database, Move.SUCCEED, Move.SUCCEED)
        with database.writing() as transaction:
            transaction.execute("DELETE FROM tasks WHERE state = 'succeeded'")
        assert counts(monitor, batch) == (1, 2, 0, 0)
        with database.reading() as transaction:
            assert not [each for each in check.wrong_counts(transaction) if "batch" in each]


class TestProgress:
    """What a person wants to know of a batch."""

    def test_a_batch_over_time_ends_with_its_last_task(
        self, manager: QueueManager, monitor: Monitor, database: Database
    ) -> None:
        with database.writing() as transaction:
            nodes.save(transaction, DAEMON, 60_000)
        urls = [f"https://example.com/{number}" for number in range(4)]
        batch = manager.submit_batch(urls, batch_name="每日文章", interval_minutes=30)
        status = monitor.get_batch_status(batch)
        assert (status.name, status.open, status.fraction) == ("每日文章", 4, 0)
        assert status.planned_until is not None
        assert status.next_due_at is not None
        assert status.planned_until - status.next_due_at == 2 * 1_800_000
        assert status.expected_at == status.planned_until

    def test_a_batch_at_once_ends_by_its_pace(self, monitor: Monitor, database: Database) -> None:
        with database.writing() as transaction:
            nodes.save(transaction, DAEMON, 60_000)
        batch, now = a_batch(database, 4), now_ms()
        end_next(database, Move.SUCCEED, Move.SUCCEED, at=now - 60_000)
        status = monitor.get_batch_status(batch)
        assert status.per_minute == pytest.approx(2, rel=0.2)
        assert status.expected_at == pytest.approx(now + 60_000, abs=15_000)

    def test_without_a_daemon_nothing_is_expected(self, monitor: Monitor, database: Database) -> None:
        batch = a_batch(database, 4)
        end_next(database, Move.SUCCEED, at=now_ms() - 1000)
        assert monitor.get_batch_status(batch).expected_at is None

    def test_a_batch_that_has_ended_says_when(self, monitor: Monitor, database: Database) -> None:
        batch = a_batch(database, 2)
        end_next(database, Move.SUCCEED, at=NOW + 900)
        end_next(database, Move.BURY, at=NOW + 700)
        status = monitor.get_batch_status(f"batch_{batch}")
        assert (status.finished_at, status.expected_at, status.started_at) == (NOW + 900, None, NOW)
        assert status.fraction == 1

    def test_failures_are_grouped(self, monitor: Monitor, database: Database) -> None:
        other, batch = a_batch(database, 1), a_batch(database, 3)
        end_next(database, *[Move.BURY] * 3)
        with database.reading() as transaction:
            assert transaction.rows("SELECT COUNT(*) FROM dead_letters") == [(3,)]
        (group,) = monitor.get_batch_status(batch).failures
        assert (group.letters, group.shape) == (2, "it failed for good")
        assert monitor.get_batch_status(other).failures[0].letters == 1

    def test_running_tasks_are_those_at_work(self, monitor: Monitor, database: Database) -> None:
        batch = a_batch(database, 3)
        with database.writing() as transaction:
            tasks.start(transaction, QUEUE, 2, node=NODE, now=NOW)
        assert monitor.get_batch_status(batch).running == 2

    def test_the_newest_batches_come_first(self, monitor: Monitor, database: Database) -> None:
        first, second = a_batch(database, 1), a_batch(database, 2)
        end_next(database, Move.SUCCEED)
        assert [(each.id, each.open) for each in monitor.list_batches()] == [(second, 2), (first, 0)]
        assert [each.id for each in monitor.list_batches(limit=1)] == [second]

    @pytest.mark.parametrize("batch", ["batch_9", 9, "x", "task_1", 0])
    def test_one_that_is_not_there(self, monitor: Monitor, batch: str | int) -> None:
        with pytest.raises(BatchNotFoundError):
            monitor.get_batch_status(batch)


@pytest.mark.parametrize(
    ("open_tasks", "planned", "pace", "spread", "expected"),
    [
        (0, None, 60.0, False, None),
        (5, None, None, False, None),
        (5, None, 60.0, False, NOW + 5_000),
        (5, NOW - 1, 60.0, True, NOW + 5_000),
        (5, NOW + 9_000, 60.0, True, NOW + 9_000),
        (5, NOW + 9_000, 60.0, False, NOW + 14_000),
        (5, NOW + 9_000, None, False, NOW + 9_000),
    ],
)
def test_the_end_is_estimated_from_plan_and_pace(
    open_tasks: int, planned: int | None, pace: float | None, spread: bool, expected: int | None
) -> None:
    assert expected_end(open_tasks, planned, pace, NOW, spread=spread) == expected
