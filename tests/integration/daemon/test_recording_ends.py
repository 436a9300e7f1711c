"""A run is blamed for what the database refuses of its report, and never for trouble that the database has itself."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from queuectl.domain.lifecycle import Move, State
from queuectl.errors import ConflictError, DatabaseUnreachableError, StorageError
from queuectl.store.database import Database
from queuectl_daemon.tick import Tick, UnrecordableError
from queuectl_daemon.view import View
from tests.support.daemon import POSTGRES, MakeInstallation
from tests.support.engines import sqlite_url
from tests.support.factories import NODE, ending, stored, task_in, work_of
from tests.support.waiting import wait_until

_TROUBLE = {
    "no space on the disk": ("53100", StorageError),
    "a file that cannot be read": ("58030", StorageError),
    "a statement that took too long": ("57014", StorageError),
    "a server that shuts down": ("57P01", DatabaseUnreachableError),
    "another writer": ("40P01", ConflictError),
}
_REFUSALS = {"too much of it": "54000", "a character that is none": "22P05", "a broken rule": "23514"}


@contextlib.contextmanager
def refused_ends(database: Database, code: str) -> Iterator[None]:
    """Let PostgreSQL answer with an error when the end of a run is to be recorded, and count how often it did."""
    with database.writing() as transaction:
        transaction.execute("CREATE SEQUENCE refusals")  # which goes on where all else is undone
        transaction.execute(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            f" PERFORM nextval('refusals'); RAISE EXCEPTION 'as asked for' USING ERRCODE = '{code}'; END $$"
        )
        transaction.execute(
            "CREATE TRIGGER refuse BEFORE INSERT ON attempts FOR EACH ROW EXECUTE FUNCTION refuse()"
        )
    try:
        yield
    finally:
        with database.writing() as transaction:
            transaction.execute("DROP FUNCTION refuse CASCADE")
            transaction.execute("DROP SEQUENCE refusals")


def record_end(database: Database, task: int, **fields: object) -> None:
    """Record that a task has succeeded, as a tick does."""
    done = ending(work_of(database, task), Move.SUCCEED, **fields)
    with database.writing() as transaction:
        Tick(transaction, NODE, View()).record([done])


@pytest.fixture
def on_postgres(emptied_postgres: str) -> Database:
    return Database(emptied_postgres)


@pytest.mark.parametrize(("code", "error"), _TROUBLE.values(), ids=_TROUBLE)
def test_trouble_of_postgres_is_no_fault_of_the_run(
    on_postgres: Database, code: str, error: type[Exception]
) -> None:
    task = task_in(on_postgres, State.RUNNING)
    with refused_ends(on_postgres, code), pytest.raises(error):
        record_end(on_postgres, task)
    assert stored(on_postgres, task)["state"] == "running"


@pytest.mark.parametrize("code", _REFUSALS.values(), ids=_REFUSALS)
def test_what_postgres_refuses_is_the_fault_of_the_run(on_postgres: Database, code: str) -> None:
    task = task_in(on_postgres, State.RUNNING)
    with refused_ends(on_postgres, code), pytest.raises(UnrecordableError):
        record_end(on_postgres, task)


def test_a_text_that_is_none_is_the_fault_of_the_run(database: Database) -> None:
    task = task_in(database, State.RUNNING)
    with pytest.raises(UnrecordableError):
        record_end(database, task, result='"\ud800"')


def test_a_full_file_of_sqlite_is_no_fault_of_the_run(home: Path, migrated_file: bytes) -> None:
    (home / "queuectl.db").write_bytes(migrated_file)
    database = Database(sqlite_url(home))
    task = task_in(database, State.RUNNING)
    with database.writing() as transaction:
        ((pages,),) = transaction.rows("PRAGMA page_count")
        transaction.execute(f"PRAGMA max_page_count = {pages}")
    large = f'"{"x" * 100_000}"'
    with pytest.raises(StorageError, match="full"):
        record_end(database, task, result=large)
    with database.writing() as transaction:
        transaction.execute("PRAGMA max_page_count = 1000000")
    record_end(database, task, result=large)
    assert stored(database, task)["result"] == large


def test_an_end_waits_until_the_servers_disk_has_room_again(install: MakeInstallation) -> None:
    site = install(POSTGRES, workers=2)
    with refused_ends(Database(site.settings.database_url), "53100"):
        tasks = [site.submit(), site.submit(failing=[1])]  # both, since nothing starts while there is trouble
        site.daemon.start()
        wait_until(lambda: len(site.witness.order()) == 2, within=30, describing="both runs to begin")
        wait_until(
            lambda: site.rows("SELECT last_value FROM refusals") >= [(5,)],
            within=30,
            describing="both ends to have been refused again and again",
        )
    assert "as asked for" in site.daemon.log()
    assert [each.state for each in site.wait_for(*tasks)] == ["succeeded", "succeeded"]
    assert [site.outcomes(task) for task in tasks] == [["succeeded"], ["failed", "succeeded"]]
    site.check()


def test_no_memory_is_no_fault_of_the_run(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise MemoryError

    task = task_in(database, State.RUNNING)
    with monkeypatch.context() as patched:
        patched.setattr("queuectl.store.tasks.end", fail)
        with pytest.raises(StorageError, match="no memory"):
            record_end(database, task)
    record_end(database, task)
    assert stored(database, task)["state"] == "succeeded"
