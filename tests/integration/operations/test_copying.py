"""A whole database moves to another engine with every row and number, or not at all."""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path

import peewee
import pytest

from queuectl import QueueManager, Settings
from queuectl.domain.lifecycle import Move, State
from queuectl.errors import (
    ConflictError,
    DaemonRunningError,
    InvalidInputError,
    QueuectlError,
    RefusedError,
    SchemaError,
    StorageError,
)
from queuectl.operations.copying import copy_database
from queuectl.store import articles, nodes, tasks
from queuectl.store.database import Database, Transaction
from queuectl.store.migrate import migrate
from queuectl.store.nodes import NodeReport
from queuectl.store.schema import TABLES
from queuectl.store.submission import put_rows
from tests.support.engines import sqlite_url
from tests.support.factories import (
    NOW,
    all_rows,
    an_article,
    claimed,
    counts_are_right,
    ending,
    new_task,
    submit_copies,
    task_in,
)

NAMES = [table._meta.table_name for table in TABLES]


@pytest.fixture
def source(database: Database) -> Database:
    """Give a database with tasks in every state and odd texts, a batch, an article, and a number that is used up."""
    for number, state in enumerate([state for state in State if state is not State.QUEUED]):
        task_in(database, state, number, metadata='{"author": "作者名\\\\N\\t"}', timeout=0.1 + number)
    with database.writing() as transaction:
        batch = submit_copies(transaction, [new_task(number, score=10) for number in range(20, 25)])
        ((member,),) = transaction.rows("SELECT MAX(id) FROM tasks WHERE batch_id = %s", (batch,))
        assert tasks.cancel(transaction, [member], NOW) == {member: State.CANCELLED}
    task_in(database, State.QUEUED, 99, score=3)
    with database.writing() as transaction:
        transaction.execute("DELETE FROM task_urls WHERE task_id = (SELECT MAX(id) FROM tasks)")
        transaction.tally.enter("low_priority", State.QUEUED, -1)
        transaction.execute("DELETE FROM tasks WHERE id = (SELECT MAX(id) FROM tasks)")
        transaction.execute("UPDATE queues SET paused = 1, host_gap = 0.25 WHERE name = 'low_priority'")
        articles.save(transaction, [ending(claimed(), Move.SUCCEED, article=an_article())])
        transaction.execute("INSERT INTO facts (name, value) VALUES ('a fact', 'kept')")
        fill_the_other_tables(transaction)
    return database


def fill_the_other_tables(transaction: Transaction) -> None:
    """Put a row into each table that has none as yet, with something in every column."""
    for table in TABLES:
        name = table._meta.table_name
        if transaction.rows(f"SELECT 1 FROM {name} LIMIT 1"):
            continue
        row = [_anything(name, field) for field in table._meta.sorted_fields]
        put_rows(transaction, name, [field.column_name for field in table._meta.sorted_fields], [row])


def _anything(table: str, field: peewee.Field) -> object:
    checked = {"catch_up": "all", "overlap": "skip", "outcome": "submitted", "lease_until": 1}
    if field.column_name in checked:
        return checked[field.column_name]
    if isinstance(field, peewee.TextField):
        return f"{table} {field.column_name} 茶\t\\N"
    return 0.1 if isinstance(field, peewee.DoubleField) else 1


def test_no_table_is_left_out_of_what_is_tried_here(source: Database) -> None:
    assert [name for name, rows in content(source).items() if not rows] == []
    with source.reading() as transaction:
        here = database_tables(transaction)
    assert sorted(here - {"migrations"}) == sorted(NAMES)


def database_tables(transaction: Transaction) -> set[str]:
    """Return the names of the tables that are really there."""
    query = {
        "sqlite": "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%%'",
        "postgresql": "SELECT tablename FROM pg_tables WHERE schemaname = 'public'",
    }[transaction.database.engine]
    return {name for (name,) in transaction.rows(query)}


def content(database: Database) -> dict[str, list[str]]:
    """Return every row of every table, in an order that does not depend on the engine."""
    return {name: sorted(map(repr, all_rows(database, name))) for name in NAMES}


@pytest.fixture
def there(home: Path) -> str:
    """Give the address of a database that is not there yet."""
    return sqlite_url(home / "there")


def test_everything_arrives_and_numbers_go_on(
    settings: Settings, source: Database, there: str, emptied_elsewhere: Callable[[Database], str]
) -> None:
    told: list[tuple[int, int]] = []
    receipt = copy_database(settings, None, there, lambda *step: told.append(step))
    copied = Database(there)
    assert content(copied) == content(source)
    assert {table.table: table.rows for table in receipt.tables} == {
        name: len(rows) for name, rows in content(source).items()
    }
    assert told[-1] == (receipt.rows, receipt.rows)
    assert counts_are_right(copied)
    back = emptied_elsewhere(source)
    copy_database(settings, there, back)
    returned = Database(back)
    assert content(returned) == content(source)
    newest = max(row["id"] for row in all_rows(source, "tasks"))
    for url in (there, back):
        with QueueManager(Settings(home=settings.home, database_url=url)) as manager:
            assert manager.submit_task("https://e.org/") == f"task_{newest + 2}"
    copied.close()
    returned.close()


@pytest.fixture
def emptied_elsewhere(request: pytest.FixtureRequest, home: Path) -> Callable[[Database], str]:
    """Give a function that returns an unused database of the engine that the given one has not."""

    def address(database: Database) -> str:
        if database.engine == "sqlite":
            return str(request.getfixturevalue("postgres_url"))
        return sqlite_url(home / "elsewhere")

    return address


def test_the_file_of_a_copy_is_for_its_owner_alone(settings: Settings, source: Database, there: str) -> None:
    copy_database(settings, None, there)
    file = Path(there.removeprefix("sqlite:///"))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_a_database_in_use_is_not_written_to(settings: Settings, source: Database, there: str) -> None:
    with QueueManager(Settings(home=settings.home, database_url=there)) as manager:
        manager.submit_task("https://e.org/")
        with pytest.raises(RefusedError, match="its table tasks is not empty"):
            copy_database(settings, None, there)
        assert len(manager.list_tasks()) == 1


def test_what_a_running_daemon_uses_is_not_copied(settings: Settings, source: Database, there: str) -> None:
    report = NodeReport(
        "n", "host", 7, "1", NOW, 1, 0, "in-process", 1, 0.0, "{}", "[]", "{}", "[]", "all", "{}"
    )
    with source.writing() as transaction:
        nodes.save(transaction, report, 60_000)
    with pytest.raises(DaemonRunningError, match="pid 7 on host"):
        copy_database(settings, None, there)
    assert all_rows(Database(there), "tasks") == []
    with source.writing() as transaction:
        nodes.save(transaction, report, -1)
    copy_database(settings, None, there)


@pytest.mark.parametrize(
    "write",
    [
        lambda manager: manager.submit_task("https://e.org/"),
        lambda manager: manager.update_queue_config("high_priority", {"max_size": 7}),
    ],
    ids=["a task", "a setting"],
)
def test_a_source_that_is_written_to_meanwhile_is_not_half_copied(
    settings: Settings, source: Database, there: str, write: Callable[[QueueManager], object]
) -> None:
    other = QueueManager(settings)
    written: list[object] = []

    def write_once(done: int, total: int) -> None:
        if not written:
            written.append(write(other))

    with pytest.raises(ConflictError, match="was written to while it was copied"):
        copy_database(settings, None, there, write_once)
    assert all_rows(Database(there), "tasks") == []
    copy_database(settings, None, there)


def test_a_copy_that_differs_is_not_kept(settings: Settings, source: Database, there: str) -> None:
    (settings.home / "there").mkdir()
    target = Database(there)
    migrate(target)
    with target.writing() as transaction:
        transaction.execute(
            "CREATE TRIGGER spoil AFTER INSERT ON batches BEGIN UPDATE batches SET interval_minutes = 7; END"
        )
    with pytest.raises(QueuectlError, match="the copy of the table batches is not the same"):
        copy_database(settings, None, there)
    assert all_rows(target, "tasks") == []
    target.close()


@pytest.mark.parametrize(
    ("source", "target", "error"),
    [
        ("sqlite:///nowhere.db", "sqlite:///x.db", StorageError),
        ("mysql://x/y", "sqlite:///x.db", InvalidInputError),
        (None, "sqlite://", InvalidInputError),
        ("sqlite:///same.db", "sqlite:///same.db", InvalidInputError),
    ],
)
def test_addresses_that_cannot_be_meant_are_refused(
    home: Path, migrated_file: bytes, source: str | None, target: str, error: type[QueuectlError]
) -> None:
    (home / "queuectl.db").write_bytes(migrated_file)
    with pytest.raises(error):
        copy_database(Settings(home=home, database_url=sqlite_url(home)), source, target)
    assert not (home / "nowhere.db").exists()


def test_an_empty_file_is_no_source(home: Path) -> None:
    (home / "empty.db").touch()
    with pytest.raises(SchemaError, match="holds nothing of queuectl"):
        copy_database(
            Settings(home=home, database_url=sqlite_url(home)), "sqlite:///empty.db", "sqlite:///x.db"
        )
