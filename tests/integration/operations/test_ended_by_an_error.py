"""Verbs on many things that an error ends after their first groups: what is done is told, and so is the error."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from queuectl import QueueManager, Settings
from queuectl.cli.app import main
from queuectl.domain.bulk import BulkResult, Outcome
from queuectl.domain.dead_letter import DeadLetterSelection
from queuectl.domain.lifecycle import State
from queuectl.domain.selection import Selection
from queuectl.errors import ExitCode, PartlyDoneError, StorageError
from queuectl.operations import bulk, dead_letters, upkeep
from queuectl.operations import manager as managing
from queuectl.store.database import Database
from tests.support.factories import counts_are_right, new_task, states, submit, task_in
from tests.support.full_disk import no_room

pytestmark = pytest.mark.usefixtures("small_groups")


@pytest.fixture
def small_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make groups so small that a few things need several."""
    monkeypatch.setattr(bulk, "GROUP", 7)
    monkeypatch.setattr(managing, "_GROUP", 7)
    monkeypatch.setattr(dead_letters, "RESURRECTED_AT_ONCE", 7)
    monkeypatch.setattr(dead_letters, "PURGED_AT_ONCE", 7)
    monkeypatch.setattr(upkeep, "_GROUP", 7)


@pytest.fixture
def url(emptied_postgres: str) -> str:
    """Give the address of a migrated database without rows."""
    return emptied_postgres


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    """Give that database."""
    database = Database(url)
    yield database
    database.close()


@pytest.fixture
def manager(home: Path, url: str) -> Iterator[QueueManager]:
    """Give the verbs on it."""
    with QueueManager(Settings(home=home, database_url=url)) as manager:
        yield manager


def submit_many(database: Database, number: int) -> None:
    with database.writing() as transaction:
        submit(transaction, *(new_task(each) for each in range(number)))


def bury_many(database: Database, number: int) -> None:
    for each in range(number):
        task_in(database, State.DEAD, each)


def is_told(result: BulkResult, done: int) -> bool:
    """Tell whether so many were done before an error that is told."""
    return (result.done, result.looked_at, result.stopped) == (done, done, True) and isinstance(
        result.reason, StorageError
    )


def test_the_groups_before_the_error_are_the_result(
    url: str, database: Database, manager: QueueManager
) -> None:
    submit_many(database, 20)
    with no_room(url, "tasks", "UPDATE", "NEW.id > 14"):
        result = manager.cancel_tasks(Selection(url="/"))
    assert is_told(result, 14)
    assert "No space left" in str(result.reason)
    assert Counter(states(database).values()) == {State.CANCELLED: 14, State.QUEUED: 6}
    assert result.operation is not None
    assert manager.undo(result.operation).done == 14
    assert counts_are_right(database)


def test_an_error_before_anything_is_done_is_raised(
    url: str, database: Database, manager: QueueManager
) -> None:
    submit_many(database, 20)
    with no_room(url, "tasks", "UPDATE", "NEW.id > 3"), pytest.raises(StorageError):
        manager.cancel_tasks(Selection(url="/"))
    assert Counter(states(database).values()) == {State.QUEUED: 20}


def test_an_error_in_the_middle_of_a_group_that_was_halved(
    url: str, database: Database, manager: QueueManager
) -> None:
    """One that is unique and has a double makes the group go in halves, and each half is committed."""
    unique = new_task(0)._replace(unique_key=new_task(0).url_key)
    with database.writing() as transaction:
        submit(transaction, unique, *(new_task(each) for each in range(1, 7)))
    manager.cancel_tasks(Selection(url="/"))
    with database.writing() as transaction:
        submit(transaction, unique)
    with no_room(url, "tasks", "UPDATE", "NEW.id = 7"):
        result = manager.retry_tasks(Selection(states=(State.CANCELLED,)))
    assert isinstance(result.reason, StorageError)
    queued = [number for number, state in states(database).items() if state is State.QUEUED]
    assert result.done == len(queued) - 1 > 0
    assert result.outcomes[Outcome.DUPLICATE] == 1


def test_undoing_tells_what_it_has_put_back(url: str, database: Database, manager: QueueManager) -> None:
    submit_many(database, 20)
    operation = manager.cancel_tasks(Selection(url="/")).operation
    assert operation is not None
    with no_room(url, "tasks", "UPDATE", "NEW.id > 7"):
        result = manager.undo(operation)
    assert is_told(result, 7)
    assert manager.undo(operation).done == 13


def test_resurrecting_tells_what_became_tasks(url: str, database: Database, manager: QueueManager) -> None:
    bury_many(database, 10)
    with no_room(url, "tasks", "INSERT", "NEW.id > 17"):
        total = manager.resurrect_dead_letters(DeadLetterSelection())
    assert (total.done, total.refused) == (7, 0)
    assert isinstance(total.stopped, StorageError)
    with no_room(url, "tasks", "INSERT", "NEW.id > 17"), pytest.raises(StorageError):
        manager.resurrect_dead_letters(DeadLetterSelection())


def test_clearing_a_queue_says_how_many_are_cancelled(
    url: str, database: Database, manager: QueueManager
) -> None:
    submit_many(database, 20)
    with no_room(url, "tasks", "UPDATE", "NEW.id > 7"):
        with pytest.raises(
            PartlyDoneError, match=r"7 cancelled in medium_priority .* No space left"
        ) as raised:
            manager.clear_queue("medium")
        with pytest.raises(StorageError):
            manager.clear_queue("medium")
    assert raised.value.done == 7
    assert isinstance(raised.value.reason, StorageError)


@pytest.fixture
def by_command(monkeypatch: pytest.MonkeyPatch, home: Path, url: str) -> None:
    """Let commands in this process find the home and the database."""
    monkeypatch.setenv("QUEUECTL_HOME", str(home))
    monkeypatch.setenv("DATABASE_URL", url)


@pytest.mark.usefixtures("by_command")
def test_clearing_by_command_says_how_to_undo_it(
    url: str, database: Database, manager: QueueManager, capsys: pytest.CaptureFixture[str]
) -> None:
    submit_many(database, 20)
    with no_room(url, "tasks", "UPDATE", "NEW.id > 7"):
        assert main(["clear-queue", "medium", "--yes"]) == ExitCode.PARTLY_DONE
    out, err = capsys.readouterr()
    assert out == "7\n"
    found = re.search(r"7 cancelled .* No space left .*; undo it with: queuectl undo (\d+)", err)
    assert found is not None, err
    assert manager.undo(int(found[1])).done == 7


@pytest.mark.usefixtures("by_command")
def test_undoing_by_command_says_how_many_are_put_back(
    url: str, database: Database, manager: QueueManager, capsys: pytest.CaptureFixture[str]
) -> None:
    submit_many(database, 20)
    operation = manager.cancel_tasks(Selection(url="/")).operation
    with no_room(url, "tasks", "UPDATE", "NEW.id > 7"):
        assert main(["undo", str(operation), "--yes", "--json"]) == ExitCode.PARTLY_DONE
    out, err = capsys.readouterr()
    document = json.loads(out)
    assert (document["done"], document["stopped"]) == (7, True)
    assert "No space left" in document["reason"]
    assert "7 tasks put back before it ended" in err


@pytest.mark.usefixtures("by_command")
def test_purging_says_how_many_are_removed(
    url: str, database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    bury_many(database, 10)
    with database.writing() as transaction:
        transaction.execute("UPDATE dead_letters SET died_at = 0")
    with no_room(url, "dead_letters", "DELETE", "OLD.id > 7"):
        assert main(["dead", "purge", "--days", "0", "--yes", "--json"]) == ExitCode.PARTLY_DONE
    out, err = capsys.readouterr()
    assert '"matched": 10, "removed": 7' in out
    assert "7 removed before it ended" in err
    assert "No space left" in err


@pytest.mark.usefixtures("by_command")
def test_a_cleanup_says_how_much_is_removed(
    url: str, database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    for each in range(1, 21):
        task_in(database, State.SUCCEEDED, each)
    with database.writing() as transaction:
        transaction.execute("UPDATE tasks SET finished_at = id")
    with no_room(url, "tasks", "DELETE", "OLD.id > 14"):
        assert main(["cleanup", "--days", "0", "--yes", "--json"]) == ExitCode.PARTLY_DONE
    out, err = capsys.readouterr()
    document = json.loads(out)
    assert (document["removed"]["tasks"], document["stopped"]) == (14, True)
    assert "No space left" in document["reason"]
    assert "14 tasks removed before it ended" in err
    assert len(states(database)) == 6
