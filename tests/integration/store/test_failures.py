"""What the database refuses or suffers is told as what it is, with what helps, and nothing else is made of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from queuectl.domain.lifecycle import State
from queuectl.domain.schedule import NewSchedule
from queuectl.errors import (
    ConflictError,
    DatabaseUnreachableError,
    DuplicateTaskError,
    ScheduleExistsError,
    StorageError,
)
from queuectl.operations.manager import QueueManager
from queuectl.settings import Settings
from queuectl.store import schedules
from queuectl.store.database import Database
from queuectl.store.submission import NewTask, insert_many
from tests.support.factories import NOW, all_rows, new_task, submit, task_in

_TOLD = {
    "53100": (StorageError, "free some space on the disk of the database's server"),
    "53200": (StorageError, "more memory"),
    "53300": (DatabaseUnreachableError, "max_connections"),
    "57014": (StorageError, "statement_timeout"),
    "57P01": (DatabaseUnreachableError, "start PostgreSQL or correct DATABASE_URL"),
    "57P03": (DatabaseUnreachableError, "try again"),
    "25006": (StorageError, "standby"),
    "42501": (StorageError, "GRANT"),
    "58030": (StorageError, "the disk of the database's server"),
    "XX000": (StorageError, "see the log of PostgreSQL"),
    "40P01": (ConflictError, "try again"),
    "23514": (StorageError, "queuectl db check"),
}


def execute(database: Database, *statements: str) -> None:
    """Run statements in one transaction."""
    with database.writing() as transaction:
        for statement in statements:
            transaction.execute(statement)


def put(database: Database, task: NewTask, *, in_batch: bool) -> None:
    """Insert a task as a submission does, or as a batch does."""
    with database.writing() as transaction:
        if in_batch:
            insert_many(transaction, 1, [task])
        else:
            submit(transaction, task)


@pytest.fixture
def on_postgres(emptied_postgres: str) -> Iterator[Database]:
    database = Database(emptied_postgres)
    yield database
    database.close()


@pytest.mark.parametrize("code", _TOLD)
def test_an_error_of_postgres_is_told_with_what_helps(on_postgres: Database, code: str) -> None:
    error, hint = _TOLD[code]
    with pytest.raises(error, match="as asked for") as raised, on_postgres.writing() as transaction:
        transaction.execute(f"DO $$ BEGIN RAISE EXCEPTION 'as asked for' USING ERRCODE = '{code}'; END $$")
    assert hint in (raised.value.hint or "")
    with on_postgres.writing() as transaction:  # and the connection is fit for the next one
        submit(transaction, new_task())


def test_a_user_without_rights_is_told_what_to_grant(on_postgres: Database) -> None:
    with on_postgres.writing() as transaction:
        transaction.execute("CREATE ROLE nobody_here NOLOGIN")
    try:
        with pytest.raises(StorageError, match="permission denied for table") as raised:
            execute(on_postgres, "SET LOCAL ROLE nobody_here", "SELECT * FROM tasks")
    finally:
        with on_postgres.writing() as transaction:
            transaction.execute("DROP ROLE nobody_here")
    assert "GRANT" in (raised.value.hint or "")


def test_a_statement_that_took_too_long_is_no_lost_server(on_postgres: Database) -> None:
    with pytest.raises(StorageError, match="statement timeout"):
        execute(on_postgres, "SET LOCAL statement_timeout = '50ms'", "SELECT pg_sleep(30)")


in_one_way_or_the_other = pytest.mark.parametrize("in_batch", [False, True], ids=["one", "a batch"])


@in_one_way_or_the_other
def test_a_broken_rule_is_no_duplicate(database: Database, in_batch: bool) -> None:
    """As after a failover that has left the counter of numbers behind."""
    task_in(database, State.QUEUED, number=1)
    if database.engine == "sqlite":
        rule = (
            "CREATE TRIGGER broken BEFORE INSERT ON tasks BEGIN SELECT RAISE(ABORT, 'constraint failed'); END"
        )
    else:
        rule = "SELECT setval('tasks_id_seq', 1, false)"
    execute(database, rule)
    with pytest.raises(StorageError) as raised:
        put(database, new_task(number=2), in_batch=in_batch)
    assert "queuectl db check" in (raised.value.hint or "")
    assert len(all_rows(database, "tasks")) == 1


@in_one_way_or_the_other
def test_a_duplicate_is_told_as_one(database: Database, in_batch: bool) -> None:
    unique = new_task(unique_key=7)
    put(database, unique, in_batch=False)
    with pytest.raises(DuplicateTaskError):
        put(database, unique, in_batch=in_batch)


def test_a_schedule_of_the_same_name_is_told_as_one(database: Database) -> None:
    schedule = NewSchedule("daily", "file://urls.txt", "0 9 * * *", "UTC", 5)
    with database.writing() as transaction:
        schedules.insert(transaction, schedule, now=NOW, next_tick_at=NOW)
    with pytest.raises(ScheduleExistsError), database.writing() as transaction:
        schedules.insert(transaction, schedule, now=NOW, next_tick_at=NOW)


def test_a_batch_counts_although_the_planner_could_not_be_told(
    emptied_postgres: str, on_postgres: Database, tmp_path: Path
) -> None:
    urls = [f"https://example.com/{number}" for number in range(10_000)]
    patient = f"{emptied_postgres}?options=-c%20lock_timeout%3D50ms"
    manager = QueueManager(Settings(home=tmp_path, database_url=patient))
    with on_postgres.writing() as transaction:
        transaction.execute("LOCK TABLE tasks IN SHARE UPDATE EXCLUSIVE MODE")
        manager.submit_batch(urls)
    assert len(all_rows(on_postgres, "tasks")) == 10_000
    manager.close()
