"""What is recorded for the judge tells every change of a state, on both engines, and nothing that was undone."""

from __future__ import annotations

import pytest

from queuectl.domain.lifecycle import Move, State
from queuectl.store import tasks
from queuectl.store.database import Database
from queuectl.store.migrate import migrate
from tests.faults.judge import Histories, judge
from tests.faults.recording import read_tables, record_moves
from tests.support.engines import empty_url
from tests.support.factories import ending, finish, new_task, started, submit, undone

__all__ = ["empty_url"]


@pytest.fixture
def recorded(empty_url: str):
    """A database whose changes of state are kept."""
    database = Database(empty_url)
    migrate(database)
    record_moves(database)
    yield database
    database.close()


def test_every_change_is_kept_with_what_it_changed(recorded: Database) -> None:
    with recorded.writing() as transaction:
        (number,) = submit(transaction, new_task())
    with recorded.writing() as transaction:
        work = started(transaction, number, "medium_priority", node="a")
    with recorded.writing() as transaction:
        finish(transaction, [ending(work, Move.RELEASE, charged=False)], node="a")
    with recorded.writing() as transaction:
        tasks.cancel(transaction, [number], 10)
    events = read_tables(recorded)["events"]
    told = [(each["old"], each["new"], each["old_fence"], each["fence"], each["node"]) for each in events]
    assert told == [
        (None, State.QUEUED, 0, 0, None),
        (State.QUEUED, State.RUNNING, 0, 1, "a"),
        (State.RUNNING, State.QUEUED, 1, 2, "a"),
        (State.QUEUED, State.CANCELLED, 2, 3, None),
    ]


def test_what_was_undone_is_not_kept(recorded: Database) -> None:
    with undone(recorded) as transaction:
        submit(transaction, new_task())
    assert read_tables(recorded)["events"] == []


def test_what_really_happened_is_believed(recorded: Database) -> None:
    with recorded.writing() as transaction:
        (number,) = submit(transaction, new_task())
    with recorded.writing() as transaction:
        work = started(transaction, number, "medium_priority")
    with recorded.writing() as transaction:
        finish(transaction, [ending(work, Move.SUCCEED)])
    told = [{"event": "ok", "key": 1, "ids": [number], "at": 0}]
    histories = Histories(told, (), read_tables(recorded), {"max_retries": 3})
    judgement = judge(histories)
    assert judgement.breaches == ()
    assert {"I1", "I3", "I6", "I18", "I22"} <= set(judgement.judged)
