"""The stream of events: each move once, in order, whoever made it and however late it was committed."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from queuectl import Monitor, QueueManager, Settings
from queuectl.domain.event import Event
from queuectl.domain.lifecycle import Move, State
from queuectl.domain.observed import Observed
from queuectl.domain.selection import Selection
from queuectl.store import events as stored_events
from queuectl.store import submission, tasks
from queuectl.store.database import Database
from tests.support.factories import (
    NODE,
    NOW,
    ending,
    finish,
    new_task,
    started,
    submit,
    submit_copies,
    task_in,
    work_of,
)


@pytest.fixture
def manager(settings: Settings) -> Iterator[QueueManager]:
    with QueueManager(settings) as manager:
        yield manager


@pytest.fixture
def monitor(settings: Settings) -> Iterator[Monitor]:
    monitor = Monitor(settings)
    yield monitor
    monitor.close()


def kinds(found: list[Event]) -> list[tuple[str, int]]:
    return [(event.kind, event.task) for event in found]


def run_once(database: Database, number: int, move: Move, **fields: object) -> None:
    """Start the one queued task of the medium queue and end it."""
    with database.writing() as transaction:
        work = started(transaction, number, "medium_priority")
    with database.writing() as transaction:
        finish(transaction, [ending(work, move, **fields)])


class TestTheLatest:
    """What has happened, from the tasks and their history."""

    def test_a_life_with_everything_in_it(
        self, manager: QueueManager, monitor: Monitor, database: Database
    ) -> None:
        with database.writing() as transaction:
            (number,) = submit(transaction, new_task())
        run_once(database, number, Move.RETRY, due_at=NOW + 600)
        with database.writing() as transaction:
            tasks.due(transaction, NOW + 10**7, 10)
        run_once(database, number, Move.RELEASE)
        run_once(database, number, Move.BURY, error="the end")
        manager.retry_task(number)
        manager.reprioritize_task(number, "medium")
        manager.cancel_task(number)
        found = monitor.get_events()
        assert Counter(event.kind for event in found) == {
            "submit": 1, "start": 3, "retry": 1, "release": 1, "bury": 1, "requeue": 1, "reprioritize": 1, "cancel": 1,
        }  # fmt: skip
        assert {event.task for event in found} == {number}
        assert [event.at for event in found] == sorted(event.at for event in found)
        (bury,) = (event for event in found if event.kind == "bury")
        assert (bury.attempt, bury.node, bury.why, bury.queue) == (3, NODE, "the end", "medium_priority")

    def test_another_time_is_told_of_those_that_got_one(self, monitor: Monitor, database: Database) -> None:
        moved, kept = (task_in(database, State.SCHEDULED, place) for place in range(2))
        with database.writing() as transaction:
            same = transaction.rows("SELECT due_at FROM tasks WHERE id = %s", (kept,))[0][0]
            tasks.reschedule(transaction, [(moved, same + 1, 0), (kept, same, 0)], NOW)
        told = [event.task for event in monitor.get_events() if event.kind == "reschedule"]
        assert told == [moved]

    def test_only_the_last_ones_and_only_since(self, monitor: Monitor, database: Database) -> None:
        with database.writing() as transaction:
            submit(transaction, *(new_task(number, created_at=NOW + number) for number in range(9)))
        assert kinds(monitor.get_events(limit=2)) == [("submit", 8), ("submit", 9)]
        assert kinds(monitor.get_events(since=NOW + 6)) == [("submit", 7), ("submit", 8), ("submit", 9)]

    def test_filters_hold_for_every_kind(
        self, manager: QueueManager, monitor: Monitor, database: Database
    ) -> None:
        with database.writing() as transaction:
            batch = submit_copies(transaction, [new_task(1), new_task(2)])
        run_once(database, 1, Move.SUCCEED)
        manager.cancel_task(2)
        task_in(database, State.DEAD, 3, url="https://other.example/")
        everything = set(kinds(monitor.get_events()))
        assert len(everything) == 8
        mine = {("submit", 1), ("start", 1), ("succeed", 1), ("submit", 2), ("cancel", 2)}
        assert set(kinds(monitor.get_events(Selection(batch=batch)))) == mine
        assert set(kinds(monitor.get_events(Selection(ids=(1, 2))))) == mine
        assert set(kinds(monitor.get_events(Selection(host="other.example")))) == everything - mine
        assert monitor.get_events(Selection(queues=("low_priority",))) == []


class TestTheStream:
    """What happens from now on."""

    def test_it_begins_now(self, monitor: Monitor, database: Database) -> None:
        for number, state in enumerate(list(State)[::-1]):
            task_in(database, state, number, url=f"https://{number}.example/")
        assert monitor.follow_events().poll() == []

    def test_each_move_comes_once(self, manager: QueueManager, monitor: Monitor, database: Database) -> None:
        running = task_in(database, State.RUNNING)
        stream = monitor.follow_events()
        with database.writing() as transaction:
            (number,) = submit(transaction, new_task(2, created_at=NOW + 1))
        assert kinds(stream.poll()) == [("submit", number)]
        with database.writing() as transaction:
            work = started(transaction, number, "medium_priority")
        assert kinds(stream.poll()) == [("start", number)]
        other = work_of(database, running)
        with database.writing() as transaction:
            finish(transaction, [ending(work, Move.RETRY), ending(other, Move.SUCCEED)])
        assert sorted(kinds(stream.poll())) == [("retry", number), ("succeed", running)]
        manager.cancel_task(number)
        manager.retry_task(number)
        assert [kind for kind, _ in kinds(stream.poll())] == ["cancel", "requeue"]
        assert stream.poll() == []

    def test_a_run_between_two_looks_is_told_with_its_start(
        self, monitor: Monitor, database: Database
    ) -> None:
        stream = monitor.follow_events()
        with database.writing() as transaction:
            (number,) = submit(transaction, new_task())
        run_once(database, number, Move.SUCCEED, finished_at=NOW)
        assert kinds(stream.poll()) == [("submit", number), ("start", number), ("succeed", number)]

    def test_what_is_recorded_late_is_not_missed(self, monitor: Monitor, database: Database) -> None:
        number = task_in(database, State.RUNNING)
        stream = monitor.follow_events()
        work = work_of(database, number)
        with database.writing() as transaction:  # its end waited while the database was away
            finish(transaction, [ending(work, Move.SUCCEED, finished_at=NOW - 10**9)])
        assert kinds(stream.poll()) == [("succeed", number)]

    def test_many_at_once_come_in_bounded_groups(
        self, monitor: Monitor, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(stored_events, "_GROUP", 10)
        stream = monitor.follow_events()
        with database.writing() as transaction:
            submit_copies(transaction, [new_task(number) for number in range(120)])
        polls = []
        while found := stream.poll():
            polls.append(len(found))
        assert polls == [50, 50, 20]

    def test_filters_hold(self, monitor: Monitor, database: Database) -> None:
        stream = monitor.follow_events(Selection(host="other.example"))
        with database.writing() as transaction:
            numbers = submit(transaction, new_task(1), new_task(2, url="https://other.example/"), new_task(3))
        assert kinds(stream.poll()) == [("submit", numbers[1])]
        assert stream.poll() == []


def test_a_submission_that_is_committed_after_later_ones_is_told_too(
    emptied_postgres: str, home: Path
) -> None:
    """Only with PostgreSQL: SQLite has one writer at a time."""
    database = Database(emptied_postgres)
    monitor = Monitor(Settings(home=home, database_url=emptied_postgres))
    has_number, may_commit = threading.Event(), threading.Event()

    def submit_slowly() -> None:
        mine = Database(emptied_postgres)
        with mine.writing() as transaction:
            submission.insert(transaction, new_task(1))
            has_number.set()
            may_commit.wait(20)
        mine.close()

    for begins_before_the_stream in (True, False):
        has_number.clear()
        may_commit.clear()
        stream = None if begins_before_the_stream else monitor.follow_events()
        slow = threading.Thread(target=submit_slowly)
        slow.start()
        assert has_number.wait(20)
        with database.writing() as transaction:
            (later,) = submit(transaction, new_task(2))
        if stream is None:
            stream = monitor.follow_events()
            assert stream.poll() == []
        else:
            assert kinds(stream.poll()) == [("submit", later)]
        may_commit.set()
        slow.join(20)
        assert kinds(stream.poll()) == [("submit", later - 1)]
        assert stream.poll() == []
    monitor.close()
    database.close()


def test_random_lives_are_told_completely(
    manager: QueueManager, monitor: Monitor, database: Database
) -> None:
    import random

    dice = random.Random(11)
    stream = monitor.follow_events()
    expected: Counter[str] = Counter()
    told: Counter[str] = Counter()
    now = NOW
    for _ in range(60):
        now += 1_000
        with database.writing() as transaction:
            submit(
                transaction, *(new_task(dice.randint(1, 99), due_at=now) for _ in range(dice.randint(0, 3)))
            )
            works, _ = tasks.start(transaction, "medium_priority", dice.randint(0, 3), node="n", now=now)
            tasks.due(transaction, now + 10**9, 100)
        moves = [dice.choice([Move.SUCCEED, Move.RETRY, Move.BURY, Move.RELEASE]) for _ in works]
        with database.writing() as transaction:
            held = finish(
                transaction,
                [ending(work, move, finished_at=now + 1) for work, move in zip(works, moves, strict=True)],
            )
        expected["start"] += len(works)
        expected.update(each.move.value for each in held)
        if dice.random() < 0.3:
            expected["cancel"] += manager.cancel_tasks(
                Selection(ids=tuple(dice.sample(range(1, 50), 5)))
            ).done
        if dice.random() < 0.3:
            expected["requeue"] += manager.retry_tasks(
                Selection(ids=tuple(dice.sample(range(1, 50), 5)))
            ).done
        if dice.random() < 0.5:
            told.update(event.kind for event in stream.poll())
    told.update(event.kind for event in stream.poll())
    expected["submit"] = manager.count_tasks()
    assert told == +expected
    everything = monitor.get_events(limit=10_000)
    assert Counter(event.kind for event in everything) == +expected


def test_the_moves_of_earlier_attempts_are_told_apart(
    empty_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database from before the moves were stored."""
    from queuectl.store import migrate as migrations
    from queuectl.store.migrations import m0005_history, m0008_statistics

    database = Database(empty_url)
    later = (m0005_history.apply, m0008_statistics.apply)
    monkeypatch.setattr(migrations, "STEPS", tuple(step for step in migrations.STEPS if step[1] not in later))
    migrations.migrate(database)
    old = "INSERT INTO attempts (task_id, fence, attempt, node, started_at, finished_at, outcome) VALUES "
    with database.writing() as transaction:
        ids = submit(transaction, *(new_task(number) for number in range(2)))
        transaction.execute(
            f"UPDATE tasks SET finished_at = {NOW + 5}, state = 'dead' WHERE id = %s", (ids[0],)
        )
        for task, fence, at, outcome in (
            (ids[0], 1, NOW, "failed"), (ids[0], 2, NOW + 5, "timed_out"), (ids[1], 1, NOW, "crashed"),
            (ids[1], 2, NOW, "interrupted"), (ids[1], 3, NOW, "cancelled"), (ids[1], 4, NOW, "succeeded"),
        ):  # fmt: skip
            transaction.execute(f"{old} (%s, %s, 1, 'n', {NOW}, %s, %s)", (task, fence, at, outcome))
        transaction.observed = Observed()  # there were no statistics either
        m0005_history.apply(transaction)
    with database.reading() as transaction:
        rows = transaction.rows(
            "SELECT move, recorded_at - finished_at FROM attempts ORDER BY task_id, fence"
        )
    assert [move for move, _ in rows] == ["retry", "bury", "retry", "release", "cancel", "succeed"]
    assert {difference for _, difference in rows} == {0}
    database.close()
