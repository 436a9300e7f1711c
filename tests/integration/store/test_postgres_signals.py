"""What PostgreSQL alone offers: locks that end with their holder, notices to other machines, told conflicts."""

from __future__ import annotations

import select
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from queuectl.domain.lifecycle import State
from queuectl.domain.priority import rank
from queuectl.errors import ConflictError, DatabaseUnreachableError
from queuectl.store import database as database_module
from queuectl.store import submission
from queuectl.store.database import Database, Transaction
from queuectl.store.nodes import LifeLock
from queuectl.store.notices import Notices
from queuectl.store.ordering import apply_aging, stored_point
from tests.support.engines import MigratedPostgres, watched_locks
from tests.support.factories import NOW, all_rows, counts_are_right, new_task, states, stored, submit, task_in
from tests.support.waiting import wait_until


@pytest.fixture
def database(emptied_postgres: str) -> Iterator[Database]:
    database = Database(emptied_postgres)
    yield database
    database.close()


class TestLifeLock:
    """The lock that a node holds for its life."""

    @pytest.fixture
    def locks(self, database: Database) -> Iterator[tuple[LifeLock, LifeLock]]:
        """Give the locks of two processes."""
        mine, theirs = LifeLock(database), LifeLock(database)
        yield mine, theirs
        mine.close()
        theirs.close()

    def test_who_holds_it_holds_it_alone(self, locks: tuple[LifeLock, LifeLock]) -> None:
        mine, theirs = locks
        assert not theirs.is_held("node-a")
        assert mine.take("node-a")
        assert theirs.is_held("node-a")
        assert not theirs.take("node-a")
        assert theirs.take("node-b")

    def test_it_ends_with_its_connection(self, locks: tuple[LifeLock, LifeLock]) -> None:
        mine, theirs = locks
        assert mine.take("node-a")
        mine.close()
        wait_until(lambda: not theirs.is_held("node-a"), describing="the lock to be free")

    def test_looking_does_not_keep_it(self, locks: tuple[LifeLock, LifeLock]) -> None:
        mine, theirs = locks
        assert not theirs.is_held("node-a")
        assert mine.take("node-a")

    def test_a_new_connection_has_a_new_number(self, locks: tuple[LifeLock, LifeLock]) -> None:
        mine, _ = locks
        first = mine.session()
        assert mine.session() == first
        mine.close()
        assert mine.session() != first


class TestNotices:
    """A word to the daemons on other machines."""

    @pytest.fixture
    def notices(self, database: Database) -> Iterator[Notices]:
        notices = Notices(database)
        yield notices
        notices.close()

    def test_a_notice_wakes_whoever_listens(self, database: Database, notices: Notices) -> None:
        assert notices.connect()
        assert notices.connect()
        assert not select.select([notices.fileno()], [], [], 0)[0]
        database.notify()
        assert select.select([notices.fileno()], [], [], 10)[0]
        assert notices.drain()
        assert not select.select([notices.fileno()], [], [], 0)[0]

    def test_a_lost_connection_is_told_and_opened_again(
        self, database: Database, notices: Notices, migrated_postgres: MigratedPostgres
    ) -> None:
        assert notices.connect()
        migrated_postgres.cut()
        wait_until(lambda: not notices.drain(), describing="the loss to be noticed")
        assert notices.connect()
        database.notify()
        assert select.select([notices.fileno()], [], [], 10)[0]


def test_of_two_writers_that_block_each_other_one_is_told_and_can_try_again(database: Database) -> None:
    ids = [task_in(database, State.QUEUED, number) for number in (1, 2)]
    together = threading.Barrier(2)

    def locks(transaction: Transaction, task: int) -> None:
        transaction.rows("SELECT id FROM tasks WHERE id = %s FOR UPDATE", (task,))

    def writes(order: list[int]) -> str:
        said = "done"
        try:
            with database.writing() as transaction:
                transaction.execute("SET LOCAL deadlock_timeout = '10ms'")
                submit(transaction, new_task(order[0] + 10))
                locks(transaction, order[0])
                together.wait(10)
                locks(transaction, order[1])
        except ConflictError as error:
            assert "another writer" in error.message  # noqa: PT017  only one of the two gets here
            said = "conflict"
            with database.writing() as transaction:  # on the same connection
                locks(transaction, order[1])
        finally:
            database.close()
        return said

    with ThreadPoolExecutor(2) as threads:
        assert sorted(threads.map(writes, (ids, ids[::-1]))) == ["conflict", "done"]
    assert len(states(database)) == 3
    assert counts_are_right(database)


def changes_aging(database: Database) -> bool:
    """Set the aging to five minutes in a thread of its own; return whether it was another one."""
    try:
        return apply_aging(database, 5)
    finally:
        database.close()


def test_an_aging_that_changes_waits_for_who_ranks_by_the_old_one(database: Database) -> None:
    with ThreadPoolExecutor(1) as thread, watched_locks(database) as someone_waits:
        with database.writing() as transaction:
            batch = submission.open_batch(transaction, None, 0, NOW)
            stored_point(transaction, kept=True)
            change = thread.submit(changes_aging, database)
            wait_until(someone_waits, describing="the change to wait")
            transaction.execute("SET LOCAL deadlock_timeout = '10ms'")
            submission.insert_many(transaction, batch, [new_task(1)])
        assert change.result(20)
    (row,) = all_rows(database, "tasks")
    assert row["rank"] == rank(row["priority_score"], row["due_at"], 5)


def test_an_aging_that_changes_waits_for_who_has_locked_tasks_to_change_them(database: Database) -> None:
    first, second = (task_in(database, State.QUEUED, number) for number in (1, 2))
    with ThreadPoolExecutor(1) as thread, watched_locks(database) as someone_waits:
        with database.writing() as transaction:
            transaction.rows("SELECT id FROM tasks WHERE id = %s FOR UPDATE", (second,))
            change = thread.submit(changes_aging, database)
            wait_until(someone_waits, describing="the change to wait")
            transaction.execute("SET LOCAL deadlock_timeout = '10ms'")
            transaction.execute("UPDATE tasks SET due_at = due_at + 7 WHERE id IN (%s, %s)", (first, second))
        assert change.result(20)
    for row in all_rows(database, "tasks"):
        assert (row["due_at"], row["rank"]) == (NOW + 7, rank(row["priority_score"], NOW + 7, 5))


def test_an_aging_that_stays_waits_for_nobody(database: Database) -> None:
    assert changes_aging(database)
    with ThreadPoolExecutor(1) as thread, database.writing() as transaction:
        stored_point(transaction, kept=True)
        submit(transaction, new_task(1))
        assert thread.submit(changes_aging, database).result(20) is False


def test_statistics_can_be_renewed_at_any_time(database: Database) -> None:
    database.analyze()
    with database.reading() as transaction:
        assert transaction.now() > 1_600_000_000_000


class TestRest:
    """A client that is halted or cut off in the middle of a write holds nobody up for long."""

    @pytest.fixture
    def brief(self, database: Database, monkeypatch: pytest.MonkeyPatch) -> Database:
        """Give a database whose clients may rest for a moment only."""
        monkeypatch.setattr(
            database_module, "POSTGRES_SESSION", "SET idle_in_transaction_session_timeout = 200"
        )
        return database

    def test_a_write_in_which_nothing_is_said_any_more_is_undone_and_its_locks_are_free(
        self, brief: Database
    ) -> None:
        task = task_in(brief, State.QUEUED)
        wrote, halted = threading.Event(), threading.Event()

        def write() -> None:
            with brief.writing() as transaction:
                transaction.execute("UPDATE tasks SET priority_score = 77 WHERE id = %s", (task,))
                wrote.set()
                assert halted.wait(30)

        with ThreadPoolExecutor(1) as threads:
            write_of_halted = threads.submit(write)
            assert wrote.wait(30)
            with brief.writing() as transaction:  # waits for the lock until the server has undone the other
                transaction.execute("UPDATE tasks SET priority_score = 5 WHERE id = %s", (task,))
            halted.set()
            with pytest.raises(DatabaseUnreachableError):
                write_of_halted.result()
        assert stored(brief, task)["priority_score"] == 5

    def test_reading_and_what_nobody_works_beside_may_take_its_time(self, brief: Database) -> None:
        with brief.reading() as transaction:
            assert transaction.rows("SHOW idle_in_transaction_session_timeout") == [("0",)]
        with brief.writing() as transaction:
            assert transaction.rows("SHOW idle_in_transaction_session_timeout") == [("200ms",)]
            transaction.may_rest()
            assert transaction.rows("SHOW idle_in_transaction_session_timeout") == [("0",)]

    def test_every_connection_has_the_server_notice_a_client_that_is_gone(self, database: Database) -> None:
        with database.writing() as transaction:
            said: dict[str, str] = dict(
                transaction.rows(
                    "SELECT name, setting FROM pg_settings WHERE name LIKE 'tcp%%'"
                    " OR name = 'idle_in_transaction_session_timeout'"
                )
            )
        assert said["idle_in_transaction_session_timeout"] == "15000"
        assert (said["tcp_keepalives_idle"], said["tcp_user_timeout"]) == ("10", "20000")
