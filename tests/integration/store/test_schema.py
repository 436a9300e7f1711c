"""The schema: migrated once however many begin, refused where it does not fit, and as the models say."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import peewee
import pytest

from queuectl import __version__
from queuectl.domain.lifecycle import FINAL, State
from queuectl.domain.priority import QUEUES
from queuectl.errors import SchemaError, StorageError
from queuectl.store import migrate as migrations
from queuectl.store.database import Database, Transaction
from queuectl.store.migrate import STEPS, ensure_ready, migrate, version
from queuectl.store.schema import TABLES
from tests.support.factories import NOW, all_rows, task_in
from tests.support.processes import guarded


@pytest.fixture
def empty(empty_url: str) -> Iterator[Database]:
    """Give a database without any table."""
    database = Database(empty_url)
    yield database
    database.close()


def columns(database: Database, table: str) -> dict[str, bool]:
    """Return whether each column of a table may be NULL."""
    with database.reading() as transaction:
        if database.engine == "sqlite":
            # SQLite does not mark a primary key as NOT NULL.
            rows = transaction.rows(f"SELECT name, NOT (\"notnull\" OR pk) FROM pragma_table_info('{table}')")
        else:
            rows = transaction.rows(
                "SELECT column_name, is_nullable = 'YES' FROM information_schema.columns WHERE table_name = %s",
                (table,),
            )
    return {name: bool(nullable) for name, nullable in rows}


def tables(database: Database) -> set[str]:
    """Return the names of all tables of ours."""
    if database.engine == "sqlite":
        query = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
    else:
        query = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"
    with database.reading() as transaction:
        return {row[0] for row in transaction.rows(query.replace("%", "%%"))}


class TestMigrating:
    """The numbered steps."""

    def test_an_empty_database_is_set_up_on_the_spot(self, empty: Database) -> None:
        with empty.reading() as transaction:
            assert version(transaction) == 0
        ensure_ready(empty)
        with empty.reading() as transaction:
            assert version(transaction) == len(STEPS)
        assert [row["name"] for row in all_rows(empty, "queues")] == sorted(QUEUES)
        ensure_ready(empty)

    def test_every_step_is_applied_once_and_signed(self, empty: Database) -> None:
        assert migrate(empty) == [name for name, _ in STEPS]
        assert migrate(empty) == []
        rows = all_rows(empty, "migrations")
        assert [(row["number"], row["name"]) for row in rows] == list(
            enumerate((name for name, _ in STEPS), 1)
        )
        assert {row["program"] for row in rows} == {__version__}

    def test_a_step_that_fails_leaves_no_trace(
        self, empty: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def breaks(transaction: Transaction) -> None:
            transaction.execute("CREATE TABLE half (id INTEGER)")
            raise ZeroDivisionError

        monkeypatch.setattr(migrations, "STEPS", (*STEPS, ("9999_breaks", breaks)))
        with pytest.raises(ZeroDivisionError):
            migrate(empty)
        assert tables(empty) == set()

    def test_a_newer_schema_is_refused_before_anything_is_touched(self, database: Database) -> None:
        with database.writing() as transaction:
            transaction.execute(
                "INSERT INTO migrations (number, name, applied_at, program) VALUES (%s, 'later', 1, '99.0')",
                (len(STEPS) + 1,),
            )
        try:
            for opening in (ensure_ready, migrate):
                with pytest.raises(SchemaError, match="newer") as refusal:
                    opening(database)
                assert "upgrade queuectl" in (refusal.value.hint or "")
        finally:
            with database.writing() as transaction:
                transaction.execute("DELETE FROM migrations WHERE name = 'later'")

    def test_an_older_schema_is_refused_with_the_way_out(
        self, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(migrations, "STEPS", (*STEPS, ("9999_nothing", lambda transaction: None)))
        with pytest.raises(
            SchemaError, match=f"schema {len(STEPS)} and this queuectl needs {len(STEPS) + 1}"
        ) as refusal:
            ensure_ready(database)
        assert "queuectl db migrate" in (refusal.value.hint or "")

    def test_processes_that_begin_at_once_set_it_up_once(self, empty_url: str) -> None:
        program = (
            "import sys; from queuectl.store.database import Database; from queuectl.store.migrate import *\n"
            "sys.stdin.readline(); database = Database(sys.argv[1])\n"
            "ensure_ready(database); print(len(migrate(database)))"
        )
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        with contextlib.ExitStack() as running:
            racers = [
                running.enter_context(guarded([sys.executable, "-c", program, empty_url], text=True, **pipes))
                for _ in range(4)
            ]
            for racer in racers:
                assert racer.stdin is not None
                racer.stdin.write("go\n")
                racer.stdin.flush()
            said = [(*racer.communicate(timeout=60), racer.returncode) for racer in racers]
        assert said == [("0\n", "", 0)] * 4
        database = Database(empty_url)
        assert [row["number"] for row in all_rows(database, "migrations")] == list(range(1, len(STEPS) + 1))
        assert len(all_rows(database, "queues")) == len(QUEUES)
        database.close()

    def test_on_postgres_one_waits_for_another(self, postgres_url: str) -> None:
        # The race above is seldom a close one, so here it is held open.
        first = Database(postgres_url)

        def comes_second() -> list[str]:
            second = Database(postgres_url)
            try:
                return migrate(second)
            finally:
                second.close()

        with ThreadPoolExecutor(1) as thread:
            with first.writing() as transaction:
                transaction.execute("SELECT pg_advisory_xact_lock(%s)", (migrations._LOCK,))
                pending = thread.submit(comes_second)
                with pytest.raises(TimeoutError):
                    pending.result(0.2)
            assert pending.result(20) == [name for name, _ in STEPS]
        first.close()


class TestModels:
    """The models are the schema in another form."""

    def test_every_table_has_its_model(self, database: Database) -> None:
        assert tables(database) == {table._meta.table_name for table in TABLES} | {"migrations"}

    @pytest.mark.parametrize("table", TABLES, ids=lambda table: str(table._meta.table_name))
    def test_columns_and_what_may_be_missing_agree(
        self, database: Database, table: type[peewee.Model]
    ) -> None:
        fields = {field.column_name: bool(field.null) for field in table._meta.sorted_fields}
        assert columns(database, table._meta.table_name) == fields

    def test_the_queues_are_those_of_the_domain(self, database: Database) -> None:
        assert {row["name"]: row["paused"] for row in all_rows(database, "queues")} == dict.fromkeys(
            QUEUES, 0
        )


class TestChecks:
    """The database itself refuses rows that contradict themselves."""

    @pytest.mark.parametrize("state", list(State))
    def test_the_end_time_is_there_exactly_in_final_states(self, database: Database, state: State) -> None:
        task = task_in(database, state)
        other = "NULL" if state in FINAL else str(NOW)
        self.refused(database, f"UPDATE tasks SET finished_at = {other} WHERE id = {task}")

    @pytest.mark.parametrize("state", list(State))
    def test_a_node_is_named_exactly_while_it_holds_the_task(self, database: Database, state: State) -> None:
        task = task_in(database, state)
        other = "NULL" if state in (State.DISPATCHED, State.RUNNING) else "'somebody'"
        self.refused(database, f"UPDATE tasks SET node = {other} WHERE id = {task}")

    def test_an_unknown_state_is_refused(self, database: Database) -> None:
        task = task_in(database, State.QUEUED)
        self.refused(database, f"UPDATE tasks SET state = 'asleep' WHERE id = {task}")

    def test_a_run_has_one_attempt(self, database: Database) -> None:
        task_in(database, State.SUCCEEDED)
        self.refused(database, "INSERT INTO attempts SELECT * FROM attempts")

    @staticmethod
    def refused(database: Database, sql: str) -> None:
        """Make sure that a statement is refused and that the rows are as before."""
        before: list[dict[str, Any]] = all_rows(database, "tasks")
        with pytest.raises(StorageError) as refusal, database.writing() as transaction:
            transaction.execute(sql)
        assert isinstance(refusal.value.__cause__, peewee.IntegrityError)
        assert all_rows(database, "tasks") == before


def test_sqlite_is_as_durable_as_it_gets(home: Any) -> None:
    database = Database(f"sqlite:///{home / 'queuectl.db'}")
    with database.reading() as transaction:
        settings = {
            name: transaction.rows(f"PRAGMA {name}")[0][0]
            for name in ("journal_mode", "synchronous", "foreign_keys")
        }
    database.close()
    assert settings == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}
