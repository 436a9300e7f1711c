"""What the monitor says is what is stored: counts, waits, daemons, running tasks, dead letters, batches."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import pytest

from queuectl import Monitor, Settings
from queuectl.clock import now_ms
from queuectl.domain.lifecycle import Move, State
from queuectl.domain.priority import QUEUES
from queuectl.domain.status import PACE_RUNS, NodeStatus, QueueStatus
from queuectl.errors import BatchNotFoundError, DeadLetterNotFoundError
from queuectl.operations.adding_up import add_up
from queuectl.operations.administration import database_check, database_init, database_migrate
from queuectl.store import articles, nodes, queues, tasks
from queuectl.store.database import Database
from queuectl.store.nodes import NodeReport
from tests.support.factories import (
    NODE,
    NOW,
    all_rows,
    an_article,
    claimed,
    ending,
    finish,
    new_task,
    submit,
    submit_copies,
    task_in,
)

SCORES = dict(zip(QUEUES, (10, 8, 5, 3, 1), strict=True))


@pytest.fixture
def monitor(settings: Settings) -> Iterator[Monitor]:
    monitor = Monitor(settings)
    yield monitor
    monitor.close()


def a_node(**fields: object) -> NodeReport:
    """Return a daemon as it describes itself."""
    node = NodeReport(
        id=NODE,
        host="here",
        pid=77,
        version="0.1.0",
        started_at=NOW,
        workers=8,
        running=1,
        transport="redis",
        transport_up=1,
        per_minute=12.5,
        progress="{}",
        handlers='["article"]',
        kinds="{}",
        held_back="[]",
        role="all",
        caps="{}",
    )
    return replace(node, **fields)  # type: ignore[arg-type]


class TestStatus:
    """The system at one moment."""

    def test_an_empty_system_is_five_empty_queues(self, monitor: Monitor, settings: Settings) -> None:
        status = monitor.get_realtime_status()
        assert status.queues == tuple(QueueStatus(name, paused=False) for name in QUEUES)
        assert status.nodes == ()
        assert abs(status.at - now_ms()) < 60_000
        assert status.database == settings.database_url
        assert status.transport == "in-process"

    def test_every_count_is_that_of_the_rows(self, monitor: Monitor, database: Database) -> None:
        for place, (_, score) in enumerate(SCORES.items()):
            for state in list(State)[place:][::-1]:
                for number in range(place + 1 if state is not State.QUEUED else 1):
                    task_in(database, state, number, score=score)
        expected = Counter((row["queue"], row["state"]) for row in all_rows(database, "tasks"))
        for queue in monitor.get_realtime_status().queues:
            for state in State:
                assert getattr(queue, state.value) == expected[queue.name, state], (queue.name, state)
            assert queue.waiting == queue.queued + queue.dispatched + queue.retrying

    def test_paused_queues_and_the_longest_wait_are_shown(self, monitor: Monitor, database: Database) -> None:
        now = now_ms()
        with database.writing() as transaction:
            queues.set_paused(transaction, "low_priority", paused=True)
            submit(transaction, new_task(1, due_at=now - 90_000), new_task(2, due_at=now - 5_000))
            submit(transaction, new_task(3, run_at=now + 5_000, score=8))
        shown = {queue.name: queue for queue in monitor.get_realtime_status().queues}
        assert [name for name, queue in shown.items() if queue.paused] == ["low_priority"]
        assert 90_000 <= (shown["medium_priority"].oldest_wait_ms or 0) < 150_000
        assert shown["high_priority"].oldest_wait_ms is None

    def test_the_password_is_not_shown(self, home: object, emptied_postgres: str) -> None:
        url = emptied_postgres.replace("postgres@", "postgres:hush@")
        monitor = Monitor(Settings(home=home, database_url=url, redis_url="redis://:hush@localhost/0"))  # type: ignore[arg-type]
        status = monitor.get_realtime_status()
        monitor.close()
        assert "hush" not in repr(status)
        assert status.transport == "redis"

    def test_the_pace_is_that_of_the_last_quarter_of_an_hour(
        self, monitor: Monitor, database: Database
    ) -> None:
        for state in (State.SUCCEEDED, State.SUCCEEDED, State.DEAD, State.RETRYING):
            task_in(database, state)
        pace = monitor.get_realtime_status().pace
        assert (pace.runs, pace.failed, pace.ended, pace.last_minute) == (4, 2, 3, 4)
        with database.writing() as transaction:
            transaction.execute("UPDATE attempts SET recorded_at = recorded_at - 90000 WHERE task_id = 1")
            transaction.execute("UPDATE attempts SET recorded_at = recorded_at - 901000 WHERE task_id = 2")
        pace = monitor.get_realtime_status().pace
        assert (pace.runs, pace.failed, pace.ended, pace.last_minute) == (3, 2, 2, 2)
        assert 90_000 <= pace.span_ms < 150_000


class TestGlance:
    """What comes next and what ended last."""

    def test_the_next_tasks_come_in_the_order_of_their_start_and_later_ones_behind(
        self, monitor: Monitor, database: Database
    ) -> None:
        with database.writing() as transaction:
            rows = [
                new_task(1, score=3),
                new_task(2, score=10, due_at=NOW + 1),
                new_task(3, score=10),
                new_task(4, score=8, run_at=NOW + 9_000),
                new_task(5, score=8, run_at=NOW + 5_000),
                new_task(6, score=12),
            ]
            submit(transaction, *rows)
        assert [task.id for task in monitor.next_tasks()] == [6, 3, 2, 1, 5, 4]
        assert [task.id for task in monitor.next_tasks(1)] == [6, 1, 5]

    def test_ends_and_failed_runs_come_latest_first(self, monitor: Monitor, database: Database) -> None:
        assert monitor.recent_ends() == []
        states = (State.SUCCEEDED, State.DEAD, State.RETRYING, State.CANCELLED, State.RUNNING)
        numbers = [task_in(database, state, place) for place, state in enumerate(states)]
        with database.writing() as transaction:
            for place, number in enumerate(numbers):
                for table, key in (("tasks", "id"), ("attempts", "task_id")):
                    transaction.execute(
                        f"UPDATE {table} SET finished_at = %s WHERE {key} = %s AND finished_at IS NOT NULL",
                        (NOW + place, number),
                    )
        found = monitor.recent_ends()
        assert [(each.task.id, each.state) for each in found] == [
            (4, State.CANCELLED),
            (3, State.RETRYING),
            (2, State.DEAD),
            (1, State.SUCCEEDED),
        ]
        assert [each.error for each in found] == [None, "it failed", "it failed for good", None]
        assert [each.task.id for each in monitor.recent_ends(2)] == [4, 3]


class TestNodes:
    """The daemons, as they describe themselves."""

    def test_a_daemon_is_alive_while_its_lease_lasts(self, monitor: Monitor, database: Database) -> None:
        with database.writing() as transaction:
            nodes.save(transaction, a_node(), 30_000)
            nodes.save(transaction, a_node(id="gone", started_at=NOW - 1, transport_up=0), -1)
        gone, alive = monitor.get_realtime_status().nodes
        assert (gone.id, gone.alive, gone.transport_up) == ("gone", False, False)
        assert alive == NodeStatus(
            id=NODE,
            host="here",
            pid=77,
            version="0.1.0",
            started_at=NOW,
            heartbeat_at=alive.heartbeat_at,
            workers=8,
            running=1,
            transport="redis",
            transport_up=True,
            per_minute=12.5,
            alive=True,
        )

    def test_a_heartbeat_renews_what_changes_and_an_end_removes_it(
        self, monitor: Monitor, database: Database
    ) -> None:
        for running in (1, 5):
            with database.writing() as transaction:
                nodes.save(transaction, a_node(running=running, workers=running * 2), 30_000)
        (node,) = monitor.get_realtime_status().nodes
        assert (node.running, node.workers) == (5, 10)
        with database.writing() as transaction:
            nodes.remove(transaction, NODE)
        assert monitor.get_realtime_status().nodes == ()


class TestRunning:
    """Tasks at work."""

    def test_the_newest_come_first_with_what_their_handlers_said(
        self, monitor: Monitor, database: Database
    ) -> None:
        ids = [task_in(database, State.RUNNING, number) for number in range(3)]
        task_in(database, State.QUEUED, 9)
        with database.writing() as transaction:
            nodes.save(
                transaction, a_node(progress=json.dumps({ids[1]: [0.25, "第 2 页"], 999: [1, ""]})), 30_000
            )
        shown = monitor.running()
        assert [each.task.id for each in shown] == ids[::-1]
        assert [(each.fraction, each.note) for each in shown] == [
            (None, None),
            (0.25, "第 2 页"),
            (None, None),
        ]
        assert all(each.elapsed_ms >= 0 for each in shown)
        assert [each.task.id for each in monitor.running(limit=1)] == ids[-1:]


class TestDeadLetters:
    """What was given up."""

    def test_the_newest_come_first_up_to_the_limit(self, monitor: Monitor, database: Database) -> None:
        ids = [task_in(database, State.DEAD, number) for number in range(3)]
        letters = monitor.get_dead_letter_queue(limit=2)
        assert [letter.task_id for letter in letters] == ids[:0:-1]
        assert monitor.get_dead_letter(letters[0].id) == letters[0]
        assert len(monitor.get_dead_letter_queue()) == 3

    @pytest.mark.parametrize("number", [0, 1, 10**18])
    def test_one_that_is_not_there(self, monitor: Monitor, number: int) -> None:
        with pytest.raises(DeadLetterNotFoundError) as refusal:
            monitor.get_dead_letter(number)
        assert "queuectl dead list" in (refusal.value.hint or "")


def test_a_batch_is_found_or_not(monitor: Monitor, database: Database) -> None:
    with database.writing() as transaction:
        number = submit_copies(transaction, [new_task(1), new_task(2)])
    assert (monitor.get_batch(number).submitted, monitor.get_batch(number).created_at) == (2, NOW)
    with pytest.raises(BatchNotFoundError):
        monitor.get_batch(number + 1)


def test_an_article_is_found_by_its_task(monitor: Monitor, database: Database) -> None:
    with database.writing() as transaction:
        articles.save(transaction, [ending(claimed(id=3), Move.SUCCEED, article=an_article())])
    kept = monitor.get_article(3)
    assert kept is not None
    assert kept.article == an_article()
    assert monitor.get_article(4) is None


class TestAdministration:
    """The care of the database itself."""

    def test_an_empty_database_is_set_up_and_found_sound(self, home: object, empty_url: str) -> None:
        settings = Settings(home=home, database_url=empty_url)  # type: ignore[arg-type]
        assert database_init(settings) == empty_url
        assert database_init(settings) == empty_url
        assert database_migrate(settings) == []
        checks = database_check(settings)
        assert [check.name for check in checks] == [
            "schema", "integrity", "counts", "orphans", "states", "fences",
        ]  # fmt: skip
        assert all(check.ok for check in checks)

    def test_a_wrong_count_is_found_and_told(self, database: Database, settings: Settings) -> None:
        task_in(database, State.QUEUED)
        with database.writing() as transaction:
            transaction.execute("UPDATE counters SET tasks = tasks + 1")
        checks = {check.name: check for check in database_check(settings)}
        assert not checks["counts"].ok
        assert checks["counts"].detail == "medium_priority queued: 2 kept, 1 stored"
        assert checks["counts"].hint


def test_what_happened_lately_is_told_for_each_queue_however_far_it_is_added_up(
    monitor: Monitor, settings: Settings, database: Database
) -> None:
    now = now_ms()
    with database.writing() as transaction:
        submit(transaction, *(new_task(number, score=5, due_at=now - 5_000) for number in range(1_200)))
        works, _ = tasks.start(transaction, "medium_priority", 1_200, node=NODE, now=now - 4_000)
        moves = [Move.SUCCEED] * 900 + [Move.RETRY] * 180 + [Move.BURY] * 120
        ends = [ending(work, move, finished_at=now - 1_000) for work, move in zip(works, moves, strict=True)]
        finish(transaction, ends)
    with database.writing() as transaction:
        submit(transaction, *(new_task(number, score=5) for number in range(2_000, 2_100)))
    for _ in range(2):
        status = monitor.get_realtime_status()
        (medium,) = (queue for queue in status.queues if queue.name == "medium_priority")
        assert (medium.recent.attempts, medium.recent.failed, medium.recent.ended) == (1_200, 300, 1_020)
        assert medium.recent.failure_rate == pytest.approx(0.25)
        assert medium.drained_in_ms is not None
        assert 0 < medium.drained_in_ms <= 16 * 60_000
        assert status.pace.runs == PACE_RUNS, "no more runs than these are looked at"
        assert 14 <= status.pace.minutes_of_15 <= 15, "the statistics begin with a whole minute"
        assert status.pace.per_minute_of_15 == pytest.approx(1_200 / status.pace.minutes_of_15)
        assert {queue.recent.attempts for queue in status.queues} == {0, 1_200}
        add_up(database, settings)


def test_the_health_is_that_of_what_is_stored(
    monitor: Monitor, settings: Settings, database: Database
) -> None:
    assert monitor.get_health().score == 80, "there is no daemon"
    task_in(database, State.QUEUED, due_at=now_ms() - 3 * 3_600_000)
    with database.writing() as transaction:
        nodes.save(transaction, a_node(), 60_000)
    health = monitor.get_health()
    assert {check.name for check in health.penalties} == {"backlog"}
    assert health.score == 75
