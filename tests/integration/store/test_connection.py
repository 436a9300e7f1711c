"""Connections: lost ones are opened again where that is safe, and a forked process never uses its parent's."""

from __future__ import annotations

import os
import signal
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from queuectl.domain.lifecycle import State
from queuectl.errors import DatabaseUnreachableError, StorageError, UnreachableError
from queuectl.store import tasks
from queuectl.store.database import Database, Transaction
from queuectl.store.migrate import migrate
from tests.support.engines import MigratedPostgres, sqlite_url
from tests.support.factories import (
    NOW,
    all_rows,
    counts_are_right,
    new_task,
    states,
    submit,
    submit_copies,
    task_in,
)
from tests.support.postgres import PostgresServer


class TestLosingPostgres:
    """The server ends a connection, as a restart or an administrator does."""

    @pytest.fixture
    def cut(self, migrated_postgres: MigratedPostgres) -> Callable[[], None]:
        """Give a function that ends every connection, and returns when they are gone."""
        return migrated_postgres.cut

    @pytest.fixture
    def database(self, emptied_postgres: str) -> Iterator[Database]:
        database = Database(emptied_postgres)
        yield database
        database.close()

    def test_between_transactions_nobody_notices(self, database: Database, cut: Callable[[], None]) -> None:
        for number in range(3):
            with database.writing() as transaction:
                submit(transaction, new_task(number))
            cut()
        with database.reading() as transaction:
            assert transaction.rows("SELECT COUNT(*) FROM tasks") == [(3,)]
        cut()
        database.close()
        with database.writing() as transaction:
            submit(transaction, new_task(4))

    @pytest.mark.parametrize(
        "work",
        [
            lambda transaction: transaction.rows("SELECT 1"),
            lambda transaction: submit(transaction, new_task(2)),
            lambda transaction: submit_copies(transaction, [new_task(2)]),
            lambda transaction: None,  # what fails then is the commit
        ],
    )
    def test_inside_a_transaction_it_is_undone_and_the_next_one_works(
        self, database: Database, cut: Callable[[], None], work: Callable[[Transaction], object]
    ) -> None:
        with pytest.raises(DatabaseUnreachableError) as loss, database.writing() as transaction:  # noqa: PT012
            submit(transaction, new_task(1))
            cut()
            work(transaction)
        assert "does not answer" in loss.value.message
        assert "queuectl doctor" in (loss.value.hint or "")
        assert states(database) == {}
        with database.writing() as transaction:
            submit(transaction, new_task(3))
        assert counts_are_right(database)

    def test_within_a_reading_it_is_told_and_the_next_one_works(
        self, database: Database, cut: Callable[[], None]
    ) -> None:
        with pytest.raises(DatabaseUnreachableError), database.reading() as transaction:  # noqa: PT012
            transaction.rows("SELECT 1")
            cut()
            transaction.rows("SELECT 1")
        assert states(database) == {}

    def test_an_error_of_our_own_is_not_hidden_by_the_loss(
        self, database: Database, cut: Callable[[], None]
    ) -> None:
        with pytest.raises(ZeroDivisionError), database.writing() as transaction:  # noqa: PT012
            transaction.rows("SELECT 1")
            cut()
            raise ZeroDivisionError
        assert states(database) == {}

    def test_a_notice_after_the_loss_is_told_and_the_next_one_works(
        self, database: Database, cut: Callable[[], None]
    ) -> None:
        database.notify()
        cut()
        with pytest.raises(DatabaseUnreachableError):
            database.notify()
        database.notify()

    def test_other_threads_lose_theirs_and_recover_too(
        self, database: Database, cut: Callable[[], None]
    ) -> None:
        ready, go = threading.Barrier(4), threading.Event()

        def works(number: int) -> int:
            try:
                assert states(database) == {}
                ready.wait(10)
                assert go.wait(10)
                with database.writing() as transaction:
                    return submit(transaction, new_task(number))[0]
            finally:
                database.close()

        with ThreadPoolExecutor(3) as threads:
            pending = [threads.submit(works, number) for number in range(3)]
            ready.wait(10)
            cut()
            go.set()
            assert len({each.result() for each in pending}) == 3
        assert counts_are_right(database)


def test_a_server_that_restarts_is_found_again(own_postgres: Callable[..., PostgresServer]) -> None:
    server = own_postgres()
    database = Database(server.url(server.create_database()))
    migrate(database)
    task = task_in(database, State.QUEUED)
    server.stop()
    for _ in range(2):
        with pytest.raises(DatabaseUnreachableError), database.reading() as transaction:
            transaction.rows("SELECT 1")
    server.start()
    assert states(database) == {task: State.QUEUED}
    database.close()


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://someone:hush@127.0.0.1:1/nothing",
        "postgresql://someone@127.0.0.1:1/nothing?password=hush",
    ],
)
def test_a_server_that_is_not_there_is_told_without_its_password(url: str) -> None:
    database = Database(url)
    with pytest.raises(UnreachableError) as refusal, database.writing():
        pass
    assert "hush" not in refusal.value.message
    assert "hush" not in repr(database.shown)
    assert "127.0.0.1" in refusal.value.message


class TestForking:
    """A forked child uses the same object on connections of its own."""

    def child(self, work: Callable[[], None], *, meanwhile: Callable[[], None] = lambda: None) -> int:
        """Run something in a forked child and return its exit status; a child that hangs is killed."""
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                signal.alarm(20)
                work()
                status = 0
            finally:
                os._exit(status)
        meanwhile()
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    def test_parent_and_child_work_side_by_side(self, database: Database) -> None:
        with database.writing() as transaction:
            submit(transaction, new_task(1))

        def work() -> None:
            with database.writing() as transaction:
                submit(transaction, new_task(2))
            assert len(states(database)) == 2
            database.close()

        assert self.child(work) == 0
        with database.writing() as transaction:
            submit(transaction, new_task(3))
        assert len(states(database)) == 3
        assert counts_are_right(database)

    def test_what_a_child_writes_outlives_its_parents_connection(self, database: Database) -> None:
        idle = Database(database.url)  # its connection goes along to the child too
        assert states(idle) == {}
        with database.writing() as transaction:
            submit(transaction, new_task(1))
        (hear_child, tell_parent), (hear_parent, tell_child) = os.pipe(), os.pipe()

        def work() -> None:
            with database.writing() as transaction:
                submit(transaction, new_task(2))
            os.write(tell_parent, b"!")
            assert os.read(hear_parent, 1)
            # As the last to leave, the parent would have taken the log away that this is written to.
            with database.writing() as transaction:
                submit(transaction, new_task(3))
            os.write(tell_parent, b"!")
            assert os.read(hear_parent, 1)

        def parent() -> None:
            assert os.read(hear_child, 1)
            idle.close()
            database.close()
            os.write(tell_child, b"!")
            assert os.read(hear_child, 1)
            assert len(states(database)) == 3
            os.write(tell_child, b"!")

        assert self.child(work, meanwhile=parent) == 0
        assert len(states(database)) == 3
        assert counts_are_right(database)
        for end in (hear_child, tell_parent, hear_parent, tell_child):
            os.close(end)

    @pytest.mark.parametrize("verb", ["close", "notify"])
    def test_a_child_leaves_its_parents_connection_alone(self, database: Database, verb: str) -> None:
        with database.writing() as transaction:
            submit(transaction, new_task(1))
            # Should the child end this connection, this transaction is lost.
            assert self.child(getattr(database, verb)) == 0
        assert len(states(database)) == 1

    def test_a_fork_inside_a_transaction_does_not_end_it(self, database: Database) -> None:
        def work() -> None:
            assert states(database) == {}

        with database.writing() as transaction:
            submit(transaction, new_task(1))
            assert self.child(work) == 0
        assert len(states(database)) == 1
        assert counts_are_right(database)

    def test_a_child_that_just_ends_changes_nothing(self, database: Database) -> None:
        with database.writing() as transaction:
            submit(transaction, new_task(1))
        assert self.child(lambda: None) == 0
        with database.writing() as transaction:
            tasks.start(transaction, "medium_priority", 1, node="n", now=NOW)
        assert counts_are_right(database)


class TestSqliteFiles:
    """What can be wrong with a file is said of the file, with what to do about it."""

    def refusal(self, url: str) -> StorageError:
        database = Database(url)
        with pytest.raises(StorageError) as refusal, database.writing() as transaction:
            transaction.execute("CREATE TABLE x (id INTEGER)")
        database.close()
        return refusal.value

    def test_a_folder_that_is_not_there(self, home: Path) -> None:
        error = self.refusal(sqlite_url(home / "missing"))
        assert str(home / "missing" / "queuectl.db") in error.message
        assert str(home / "missing") in (error.hint or "")

    def test_a_file_that_is_no_database(self, home: Path) -> None:
        (home / "queuectl.db").write_text("this is a letter to a friend, and no database at all\n" * 50)
        error = self.refusal(sqlite_url(home))
        assert "not a database" in error.message
        assert "backup" in (error.hint or "")

    def test_a_file_whose_pages_are_damaged(self, home: Path) -> None:
        database = Database(sqlite_url(home))
        migrate(database)
        task_in(database, State.QUEUED)
        database.close()
        path = home / "queuectl.db"
        damaged = bytearray(path.read_bytes())
        damaged[4096:] = b"\xaa" * (len(damaged) - 4096)
        path.write_bytes(damaged)
        with pytest.raises(StorageError) as refusal:
            all_rows(database, "tasks")
        database.close()
        assert "damaged" in (refusal.value.hint or "")

    def test_a_file_that_somebody_sets_up_is_waited_for(self, home: Path) -> None:
        other = sqlite3.connect(home / "queuectl.db", isolation_level=None, check_same_thread=False)
        other.execute("CREATE TABLE theirs (id INTEGER)")
        other.execute("BEGIN IMMEDIATE")
        database = Database(sqlite_url(home))
        begun = threading.Event()

        def sets_up() -> list[str]:
            try:
                begun.set()
                return migrate(database)
            finally:
                database.close()

        with ThreadPoolExecutor(1) as thread:
            pending = thread.submit(sets_up)
            assert begun.wait(10)
            with pytest.raises(TimeoutError):
                pending.result(0.2)
            other.execute("COMMIT")
            assert pending.result(20)
        other.close()
