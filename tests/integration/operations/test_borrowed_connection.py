"""A task inside the caller's own transaction exists if and only if that commits, and is counted exactly."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psycopg2
import pytest
import sqlalchemy

from queuectl import QueueManager, Settings
from queuectl.errors import (
    ConflictError,
    DatabaseUnreachableError,
    DuplicateTaskError,
    InvalidInputError,
    InvalidURLError,
    QueuectlError,
    QueueFullError,
    RefusedError,
)
from queuectl.store import counters
from queuectl.store.database import Database
from queuectl.store.notices import Notices
from tests.support.postgres import PostgresServer
from tests.support.waiting import wait_until

URL = "https://example.com/a"
Connect = Callable[[], Any]


@pytest.fixture
def url(emptied_postgres: str) -> str:
    """Give the address of a migrated, empty database on PostgreSQL."""
    return emptied_postgres


@pytest.fixture
def manager(home: Path, url: str) -> Iterator[QueueManager]:
    """Give a manager for that database."""
    with QueueManager(Settings(home=home, database_url=url)) as manager:
        yield manager


# Peewee loads psycopg 3 wherever it is installed, and every command with it, so it is no part of our environment.
KINDS = [name for name in ("psycopg2", "psycopg", "sqlalchemy") if find_spec(name)]


@pytest.fixture(params=KINDS)
def connection(request: pytest.FixtureRequest, url: str) -> Iterator[Any]:
    """Give a caller's connection in a transaction, of each kind."""
    if request.param == "sqlalchemy":
        engine = sqlalchemy.create_engine(url.replace("postgresql:", "postgresql+psycopg2:", 1))
        with engine.connect() as connection:
            connection.begin()
            yield connection
        engine.dispose()
        return
    driver: Any = import_module(request.param)
    with contextlib.closing(driver.connect(url)) as connection:
        yield connection


@pytest.fixture
def plain(url: str) -> Iterator[Any]:
    """Give a connection of psycopg2."""
    with contextlib.closing(psycopg2.connect(url)) as connection:
        yield connection


def execute(connection: Any, sql: str) -> list[tuple[Any, ...]]:
    """Run a statement of the caller's own."""
    if isinstance(connection, sqlalchemy.Connection):
        result = connection.execute(sqlalchemy.text(sql))
        return [tuple(row) for row in result] if result.returns_rows else []
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return list(cursor.fetchall()) if cursor.description else []


def counted_and_there(url: str) -> tuple[int, int]:
    """Return the number of tasks by the kept counts and by the rows, each queue and state compared."""
    database = Database(url)
    with database.reading() as transaction:
        kept, rows = counters.read(transaction), counters.count_rows(transaction)
    database.close()
    assert kept == rows
    return sum(kept.values()), sum(rows.values())


class TestTheTransaction:
    """The task has the fate of what it stands in."""

    def test_a_commit_makes_the_task_and_the_data_together(
        self, manager: QueueManager, connection: Any, url: str
    ) -> None:
        execute(connection, "CREATE TEMPORARY TABLE mine (title text) ON COMMIT PRESERVE ROWS")
        execute(connection, "INSERT INTO mine VALUES ('作者')")
        task_id = manager.submit_task(URL, "high", metadata={"author": "a'%s作"}, connection=connection)
        assert counted_and_there(url) == (0, 0)
        connection.commit()
        assert manager.get_task(task_id).metadata == {"author": "a'%s作"}
        assert manager.get_task(task_id).queue == "high_priority"
        assert execute(connection, "SELECT title FROM mine") == [("作者",)]
        assert counted_and_there(url) == (1, 1)

    def test_a_rollback_leaves_nothing(self, manager: QueueManager, connection: Any, url: str) -> None:
        manager.submit_task(URL, connection=connection)
        connection.rollback()
        assert counted_and_there(url) == (0, 0)
        assert manager.list_tasks() == []

    def test_a_closed_connection_leaves_nothing(self, manager: QueueManager, plain: Any, url: str) -> None:
        manager.submit_task(URL, connection=plain)
        plain.close()
        wait_until(lambda: counted_and_there(url) == (0, 0), describing="nothing to be there")

    def test_a_savepoint_takes_its_own_tasks_back_only(
        self, manager: QueueManager, connection: Any, url: str
    ) -> None:
        kept = manager.submit_task(URL + "1", connection=connection)
        execute(connection, "SAVEPOINT callers")
        manager.submit_task(URL + "2", "low", connection=connection)
        execute(connection, "ROLLBACK TO SAVEPOINT callers")
        later = manager.submit_task(URL + "3", "low", connection=connection)
        connection.commit()
        assert {f"task_{task.id}" for task in manager.list_tasks()} == {kept, later}
        assert counted_and_there(url) == (2, 2)

    @pytest.mark.parametrize("level", ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"])
    def test_every_isolation_level_works_beside_other_writers(
        self, manager: QueueManager, plain: Any, url: str, level: str
    ) -> None:
        plain.set_session(isolation_level=level)
        execute(plain, "SELECT 1")
        for _ in range(20):
            manager.submit_task(URL)
        manager.submit_task(URL, connection=plain)
        manager.submit_task(URL, connection=plain)
        plain.commit()
        assert counted_and_there(url) == (22, 22)

    def test_a_session_with_a_time_zone_of_its_own_leads_to_the_same_database(
        self, manager: QueueManager, connection: Any, url: str
    ) -> None:
        execute(connection, "SET TIME ZONE 'Asia/Kathmandu'")
        manager.submit_task(URL, connection=connection)
        connection.commit()
        assert counted_and_there(url) == (1, 1)

    def test_a_transaction_that_was_begun_by_hand_counts_in_autocommit_too(
        self, manager: QueueManager, plain: Any, url: str
    ) -> None:
        plain.autocommit = True
        execute(plain, "BEGIN")
        manager.submit_task(URL, connection=plain)
        execute(plain, "ROLLBACK")
        assert counted_and_there(url) == (0, 0)

    def test_the_commit_wakes_daemons_and_a_rollback_does_not(
        self, manager: QueueManager, plain: Any, url: str
    ) -> None:
        database = Database(url)
        notices = Notices(database)
        assert notices.connect()
        raw = notices._connection
        execute(raw, "LISTEN mark")

        def heard() -> int:
            """Return how many notices came before one of our own; they come in the order of the commits."""
            with contextlib.closing(psycopg2.connect(url)) as other:
                execute(other, "NOTIFY mark")
                other.commit()
            channels: list[str] = []

            def is_marked() -> bool:
                raw.poll()
                channels.extend(notice.channel for notice in raw.notifies)
                raw.notifies.clear()
                return "mark" in channels

            wait_until(is_marked, describing="our own notice")
            return len(channels) - 1

        manager.submit_task(URL, connection=plain)
        plain.rollback()
        assert heard() == 0
        manager.submit_task(URL, connection=plain)
        assert heard() == 0
        plain.commit()
        assert heard() == 1
        notices.close()
        database.close()


class TestRefusals:
    """What is refused undoes nothing of the caller's."""

    def test_what_fails_leaves_the_transaction_as_it_was(
        self, manager: QueueManager, connection: Any, url: str
    ) -> None:
        manager.update_queue_config("low_priority", {"max_size": 1})
        kept = manager.submit_task(URL, "low", unique=True, connection=connection)
        for wrong, error in (
            ({"priority": "low"}, QueueFullError),
            ({"unique": True}, DuplicateTaskError),
            ({"timeout": -1}, InvalidInputError),
        ):
            with pytest.raises(error):
                manager.submit_task(URL, connection=connection, **wrong)
        with pytest.raises(InvalidURLError):
            manager.submit_task("ftp://example.com", connection=connection)
        connection.commit()
        assert [f"task_{task.id}" for task in manager.list_tasks()] == [kept]
        assert counted_and_there(url) == (1, 1)

    def test_another_database(
        self, manager: QueueManager, postgres: PostgresServer, postgres_url: str
    ) -> None:
        with contextlib.closing(psycopg2.connect(postgres_url)) as other:
            refused(manager, other, "leads to another database than postgresql://", InvalidInputError)

    def test_another_search_path(self, manager: QueueManager, plain: Any) -> None:
        execute(plain, "SET search_path TO pg_catalog")
        refused(manager, plain, "its search_path is another one", InvalidInputError)

    def test_a_table_of_its_own_before_one_of_ours(self, manager: QueueManager, plain: Any) -> None:
        execute(plain, "CREATE TEMPORARY TABLE observations (content text)")
        refused(manager, plain, "its search_path is another one", InvalidInputError)

    def test_closed(self, manager: QueueManager, plain: Any) -> None:
        plain.close()
        refused(manager, plain, "the connection is closed", InvalidInputError)

    def test_autocommit(self, manager: QueueManager, plain: Any, url: str) -> None:
        plain.autocommit = True
        refused(manager, plain, "autocommit", InvalidInputError)
        assert counted_and_there(url) == (0, 0)

    def test_a_transaction_that_has_failed(self, manager: QueueManager, plain: Any) -> None:
        with pytest.raises(psycopg2.Error):
            execute(plain, "SELECT 1 / 0")
        refused(manager, plain, "transaction has failed", InvalidInputError)

    def test_a_transaction_that_may_only_read(self, manager: QueueManager, plain: Any) -> None:
        plain.set_session(readonly=True)
        refused(manager, plain, "read-only", RefusedError)

    def test_a_user_who_may_not_write(self, manager: QueueManager, plain: Any) -> None:
        execute(plain, "CREATE ROLE somebody")
        execute(plain, "GRANT SELECT ON ALL TABLES IN SCHEMA public TO somebody")
        execute(plain, "SET LOCAL ROLE somebody")
        refused(manager, plain, "user may not write queuectl's tables", RefusedError)
        plain.rollback()

    def test_a_connection_that_the_server_has_ended(
        self, manager: QueueManager, plain: Any, url: str
    ) -> None:
        ((pid,),) = execute(plain, "SELECT pg_backend_pid()")
        with contextlib.closing(psycopg2.connect(url)) as other:
            execute(other, f"SELECT pg_terminate_backend({pid}, 5000)")
        refused(manager, plain, "does not answer", DatabaseUnreachableError)

    def test_sqlite(self, manager: QueueManager, home: Path) -> None:
        with contextlib.closing(sqlite3.connect(":memory:")) as connection:
            refused(manager, connection, "this one is of SQLite", InvalidInputError)
            with QueueManager(Settings(home=home, database_url=f"sqlite:///{home}/queuectl.db")) as embedded:
                refused(embedded, connection, "connection= needs PostgreSQL", InvalidInputError)

    @pytest.mark.parametrize("thing", ["postgresql://localhost", 7, object()])
    def test_what_is_no_connection(self, manager: QueueManager, thing: object) -> None:
        refused(
            manager,
            thing,
            "connection= takes a connection of psycopg2, psycopg or SQLAlchemy",
            InvalidInputError,
        )

    def test_an_asynchronous_connection(self, manager: QueueManager, url: str) -> None:
        with contextlib.closing(psycopg2.connect(url, async_=1)) as connection:
            refused(manager, connection, "takes a connection of", InvalidInputError)

    def test_sqlalchemy_outside_of_a_transaction(self, manager: QueueManager, url: str) -> None:
        engine = sqlalchemy.create_engine(url.replace("postgresql:", "postgresql+psycopg2:", 1))
        with engine.connect() as connection:
            refused(manager, connection, "is in no transaction", InvalidInputError)
        engine.dispose()

    def test_a_queue_with_a_largest_size_that_the_transaction_cannot_see(
        self, manager: QueueManager, plain: Any
    ) -> None:
        manager.update_queue_config("low_priority", {"max_size": 5})
        plain.set_session(isolation_level="REPEATABLE READ")
        refused(manager, plain, "cannot see how full it is", RefusedError, "low")
        assert manager.submit_task(URL, "high", connection=plain)

    def test_a_conflict_says_what_to_do(self, manager: QueueManager, plain: Any, url: str) -> None:
        manager.submit_task(URL, connection=plain)
        plain.commit()
        plain.set_session(isolation_level="REPEATABLE READ")
        execute(plain, "SELECT 1")
        with contextlib.closing(psycopg2.connect(url)) as other:
            execute(other, "UPDATE counters SET tasks = tasks")
            other.commit()
        error = refused(manager, plain, "another writer was in the way", ConflictError)
        assert error.hint == "roll back, and try the whole transaction again"


class TestSideBySide:
    """Callers hold their transactions open as long as they like, and keep nobody waiting."""

    def test_an_open_transaction_holds_up_nobody(self, manager: QueueManager, url: str) -> None:
        with contextlib.ExitStack() as held:
            callers = [held.enter_context(contextlib.closing(psycopg2.connect(url))) for _ in range(6)]
            for caller in callers:
                execute(caller, "SET lock_timeout = '2s'")
                manager.submit_task(URL, connection=caller)
            for _ in range(20):
                with QueueManager(manager.settings) as other:  # each counts in a row of its own choice
                    other.submit_task(URL)
            for number, caller in enumerate(callers):
                (caller.commit if number % 2 else caller.rollback)()
        assert counted_and_there(url) == (23, 23)

    def test_two_threads_with_connections_of_their_own(self, manager: QueueManager, url: str) -> None:
        def work(offset: int) -> None:
            with contextlib.closing(psycopg2.connect(url)) as connection:
                for number in range(20):
                    manager.submit_task(f"{URL}{offset + number}", connection=connection)
                    (connection.rollback if number % 4 == 0 else connection.commit)()
            manager.close()

        in_threads(work, (0, 100))
        assert counted_and_there(url) == (30, 30)

    def test_two_threads_with_the_same_connection(self, manager: QueueManager, plain: Any, url: str) -> None:
        def work(offset: int) -> None:
            for number in range(20):
                with contextlib.suppress(DuplicateTaskError):
                    manager.submit_task(f"{URL}{(offset + number) % 30}", unique=True, connection=plain)

        in_threads(work, (0, 15))
        plain.commit()
        assert counted_and_there(url) == (30, 30)


def in_threads(work: Callable[[int], None], arguments: tuple[int, ...]) -> None:
    """Run the work in a thread for each argument, and raise what one of them raised."""
    errors: list[BaseException] = []

    def run(argument: int) -> None:
        try:
            work(argument)
        except BaseException as error:  # noqa: BLE001  it is raised below
            errors.append(error)

    threads = [threading.Thread(target=run, args=(each,)) for each in arguments]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert errors == []


def refused(
    manager: QueueManager,
    connection: object,
    words: str,
    kind: type[QueuectlError],
    priority: str | None = None,
) -> QueuectlError:
    """Return the error of a submission over this connection after making sure that it says how to go on."""
    with pytest.raises(QueuectlError) as caught:
        manager.submit_task(URL, priority, connection=connection)
    assert type(caught.value) is kind
    assert words in caught.value.message
    assert caught.value.hint
    return caught.value
