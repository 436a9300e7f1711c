"""``db check`` finds what should never be, and mends the one thing that can be counted anew."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from queuectl.domain.lifecycle import State
from queuectl.errors import RefusedError
from queuectl.operations.administration import database_check, database_vacuum, repair_counts
from queuectl.operations.home_lock import HomeLock
from queuectl.operations.manager import QueueManager
from queuectl.settings import Settings
from queuectl.store import tasks
from queuectl.store.database import Database
from tests.support.factories import all_rows, counts_are_right, new_task, submit_copies, task_in


@pytest.fixture
def filled(database: Database) -> Database:
    """Give a database with a task in each state."""
    for number, state in enumerate(sorted(State, key=lambda each: each is State.QUEUED), 1):
        task_in(database, state, number)
    return database


def failed(settings: Settings) -> dict[str, str]:
    return {check.name: check.detail for check in database_check(settings) if not check.ok}


def test_a_sound_database_is_found_sound(filled: Database, settings: Settings) -> None:
    assert failed(settings) == {}


@pytest.mark.parametrize(
    ("harm", "name", "detail"),
    [
        ("UPDATE counters SET tasks = 5 WHERE state = 'dead'", "counts", "medium_priority dead: 5 kept, 1 stored"),
        ("UPDATE attempts SET task_id = 99 WHERE outcome = 'succeeded'", "orphans", "that belong to no task: 1"),
        ("UPDATE dead_letters SET task_id = 99", "orphans", "rows of dead_letters that belong to no task: 1"),
        ("UPDATE task_urls SET task_id = 99 WHERE task_id = 1", "orphans", "tasks that are not found by their URL: 1"),
        ("UPDATE tasks SET started_at = NULL WHERE state = 'running'", "states", "run and have not started: 1"),
        ("UPDATE tasks SET attempt = 9 WHERE state = 'dead'", "fences", "their fence was raised: 1"),
        ("UPDATE tasks SET released = 9 WHERE state = 'queued'", "fences", "given back more often than claimed: 1"),
        ("UPDATE attempts SET attempt = 7 WHERE outcome = 'succeeded'", "fences", "attempts that are recorded beyond"),
    ],
)  # fmt: skip
def test_each_harm_is_found_and_told(
    filled: Database, settings: Settings, harm: str, name: str, detail: str
) -> None:
    with filled.writing() as transaction:
        assert transaction.execute(harm).rowcount == 1
    found = failed(settings)
    assert set(found) == {name}
    assert detail in found[name]


def test_counts_of_batches_are_compared_and_set_right(database: Database, settings: Settings) -> None:
    with database.writing() as transaction:
        for _ in range(2):
            submit_copies(transaction, [new_task(1), new_task(2), new_task(3)])
        tasks.cancel(transaction, [1, 2, 4], 7)
    before = all_rows(database, "batch_counters")
    with database.writing() as transaction:
        transaction.execute("UPDATE batch_counters SET tasks = 9, last_at = 99 WHERE batch_id = 1")
        transaction.execute("INSERT INTO batch_counters VALUES (7, 0, 'dead', 1, 1, 1)")
    assert failed(settings) == {
        "counts": "batch_1 cancelled: 9 kept, 2 stored",
        "orphans": "rows of batch_counters that belong to no batch: 1",
    }
    assert repair_counts(settings) == 1
    left = [row | {"shard": 0} for row in all_rows(database, "batch_counters") if row["batch_id"] != 7]
    assert left == [row | {"shard": 0} for row in before]
    assert set(failed(settings)) == {"orphans"}


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)  # PostgreSQL's constraints are never off
def test_a_state_against_its_columns_is_found(filled: Database, settings: Settings) -> None:
    with filled.reading() as transaction:
        transaction.execute("PRAGMA ignore_check_constraints = on")
    with filled.writing() as transaction:
        transaction.execute("UPDATE tasks SET finished_at = 5 WHERE state = 'queued'")
        transaction.execute("UPDATE tasks SET node = NULL WHERE state = 'dispatched'")
    filled.close()
    found = failed(settings)
    assert set(found) >= {"states"}
    assert "tasks that have ended and no time of it" in found["states"]
    assert "tasks that are in a daemon's hand and name none" in found["states"]


def test_wrong_counts_are_set_right_and_nothing_else_is_changed(filled: Database, settings: Settings) -> None:
    with filled.writing() as transaction:
        transaction.execute("UPDATE counters SET tasks = tasks + 3 WHERE state IN ('dead', 'queued')")
        transaction.execute("DELETE FROM counters WHERE state = 'running'")
        transaction.execute("UPDATE tasks SET attempt = 9 WHERE state = 'dead'")
    assert repair_counts(settings) == 3
    assert counts_are_right(filled)
    assert set(failed(settings)) == {"fences"}
    assert repair_counts(settings) == 0


def test_counts_are_set_right_while_others_submit(database: Database, settings: Settings) -> None:
    with database.writing() as transaction:
        submit_copies(transaction, [new_task(number) for number in range(2_000)])
    ended = threading.Event()
    failures: list[BaseException] = []

    def submit() -> None:
        try:
            with QueueManager(settings) as manager:
                while not ended.is_set():
                    manager.cancel_task(manager.submit_task("https://example.com/1"))
        except BaseException as error:  # noqa: BLE001  shown by the test's own thread
            failures.append(error)

    threads = [threading.Thread(target=submit) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(10):
        with database.writing() as transaction:
            transaction.execute("UPDATE counters SET tasks = tasks + 1 WHERE state = 'queued'")
        repair_counts(settings)
        assert counts_are_right(database)
    ended.set()
    for thread in threads:
        thread.join(20)
    assert failures == []
    assert counts_are_right(database)


def test_unused_space_of_sqlite_can_be_had_back(home: Path, migrated_file: bytes) -> None:
    (home / "queuectl.db").write_bytes(migrated_file)
    settings = Settings(home=home, database_url=f"sqlite:///{home}/queuectl.db")
    with QueueManager(settings) as manager:
        manager.submit_batch([f"https://example.com/{number}" for number in range(6_000)])
        manager.clear_queue("medium")
        manager.cleanup(0)
        lock = HomeLock(settings.home, settings.database_url)
        lock.take()
        with pytest.raises(RefusedError, match="nothing was changed"):
            database_vacuum(settings)
        lock.free()
        before, after = database_vacuum(settings)
        assert after < before / 3
        assert manager.submit_task("https://example.com/") == "task_6001"
    assert failed(settings) == {}


def test_postgresql_needs_no_vacuum_of_ours(emptied_postgres: str, home: Path) -> None:
    with pytest.raises(RefusedError, match="by itself"):
        database_vacuum(Settings(home=home, database_url=emptied_postgres))
