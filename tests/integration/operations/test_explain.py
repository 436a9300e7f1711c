"""Explanations of real tasks: each state and reason on each engine, and what is called startable is taken."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from queuectl import Monitor, QueueManager, Settings
from queuectl.clock import now_ms
from queuectl.domain.explanation import Cause, Certainty, Explanation
from queuectl.domain.lifecycle import State
from queuectl.errors import TaskNotFoundError
from queuectl.settings import HandlerSettings
from queuectl.store import nodes, queues
from queuectl.store.database import Database
from queuectl.store.nodes import NodeReport
from queuectl.store.ordering import apply_aging
from tests.support.factories import NODE, new_task, submit, submit_copies, task_in

DAEMON = NodeReport(
    id=NODE,
    host="here",
    pid=77,
    version="0",
    started_at=0,
    workers=8,
    running=0,
    transport="in-process",
    transport_up=1,
    per_minute=0.0,
    progress="{}",
    handlers='["article", "fail"]',
    kinds='{"article": "process", "fail": "thread"}',
    held_back="[]",
    role="all",
    caps="{}",
)


@pytest.fixture
def monitor(settings: Settings) -> Iterator[Monitor]:
    monitor = Monitor(replace(settings, handlers={"fail": HandlerSettings(callable="a:b")}))
    yield monitor
    monitor.close()


@pytest.fixture
def alive(database: Database) -> None:
    """Let a daemon with eight workers be alive."""
    daemon_with(database)


def daemon_with(database: Database, **fields: Any) -> None:
    with database.writing() as transaction:
        nodes.save(transaction, replace(DAEMON, **fields), 60_000)


def one_queued(database: Database, **fields: Any) -> int:
    with database.writing() as transaction:
        return submit(transaction, new_task(due_at=now_ms(), **fields))[0]


def run_sql(database: Database, sql: str, *params: object) -> None:
    with database.writing() as transaction:
        transaction.execute(sql, params)


def causes(found: Explanation) -> list[Cause]:
    return [reason.cause for reason in found.reasons]


@pytest.mark.usefixtures("alive")
class TestStates:
    """A task in each state."""

    def test_a_queued_task_with_a_free_worker_starts_now(self, monitor: Monitor, database: Database) -> None:
        found = monitor.explain(one_queued(database))
        assert (found.reasons, found.position, found.certainty) == ((), 0, Certainty.NOW)
        assert found.startable

    def test_a_planned_task_waits_for_its_time(self, monitor: Monitor, database: Database) -> None:
        due = now_ms() + 3_600_000
        found = monitor.explain(task_in(database, State.SCHEDULED, run_at=due))
        assert causes(found) == [Cause.NOT_DUE]
        assert (found.earliest_start, found.certainty, found.position) == (due, Certainty.KNOWN, None)

    def test_a_planned_task_whose_time_has_come_is_in_the_line(
        self, monitor: Monitor, database: Database
    ) -> None:
        found = monitor.explain(task_in(database, State.SCHEDULED, run_at=now_ms() - 5))
        assert (found.startable, found.position) == (True, 0)

    def test_a_failed_task_waits_and_says_for_which_run(self, monitor: Monitor, database: Database) -> None:
        task = task_in(database, State.RETRYING, max_retries=2)
        run_sql(database, "UPDATE tasks SET due_at = %s", now_ms() + 60_000)
        found = monitor.explain(task)
        assert causes(found) == [Cause.BACK_OFF]
        assert "run 1 of 3 failed because: it failed" in found.reasons[0].message

    def test_a_dispatched_task_is_on_its_way(self, monitor: Monitor, database: Database) -> None:
        assert causes(monitor.explain(task_in(database, State.DISPATCHED))) == [Cause.ON_ITS_WAY]

    @pytest.mark.parametrize(
        ("state", "said"),
        [
            (State.RUNNING, "it runs: attempt 1"),
            (State.SUCCEEDED, "it has succeeded"),
            (State.CANCELLED, "it was cancelled"),
            (State.DEAD, "it was given up (exhausted)"),
        ],
    )
    def test_a_task_that_does_not_wait_is_told_kindly(
        self, monitor: Monitor, database: Database, state: State, said: str
    ) -> None:
        found = monitor.explain(task_in(database, state))
        assert [reason.message for reason in found.reasons] == [said]
        assert (found.earliest_start, found.certainty, found.startable) == (None, None, False)

    def test_a_running_task_that_shall_stop_says_so(self, monitor: Monitor, database: Database) -> None:
        task = task_in(database, State.RUNNING)
        run_sql(database, "UPDATE tasks SET cancel_requested = 1")
        assert causes(monitor.explain(task)) == [Cause.CANCEL_REQUESTED, Cause.RUNNING]

    def test_a_task_that_is_not_there(self, monitor: Monitor) -> None:
        with pytest.raises(TaskNotFoundError, match="task_99"):
            monitor.explain("task_99")


@pytest.mark.usefixtures("alive")
class TestReasons:
    """What keeps a queued task, in the database as dispatch finds it."""

    def test_a_paused_queue(self, monitor: Monitor, database: Database) -> None:
        task = one_queued(database)
        with database.writing() as transaction:
            queues.set_paused(transaction, "medium_priority", paused=True)
        found = monitor.explain(task)
        assert (causes(found), found.certainty) == ([Cause.PAUSED], Certainty.AT_LEAST)

    def test_a_rate_limit_counts_the_starts_of_its_window(self, monitor: Monitor, database: Database) -> None:
        task, now = one_queued(database), now_ms()
        run_sql(database, "UPDATE queues SET rate_starts = 2, rate_period = 60000")
        run_sql(
            database,
            "INSERT INTO queue_starts (queue, at, total) VALUES"
            " ('medium_priority', %s, 5), ('medium_priority', %s, 6), ('medium_priority', %s, 7)",
            now - 90_000,
            now - 20_000,
            now - 10_000,
        )
        found = monitor.explain(task)
        assert (causes(found), found.certainty) == ([Cause.RATE_LIMIT], Certainty.KNOWN)
        assert found.earliest_start == now + 40_000
        run_sql(database, "DELETE FROM queue_starts WHERE total = 7")
        assert monitor.explain(task).startable

    def test_the_tasks_at_work_reach_the_concurrency(self, monitor: Monitor, database: Database) -> None:
        task_in(database, State.RUNNING, 1)
        task_in(database, State.DISPATCHED, 2)
        task = one_queued(database)
        run_sql(database, "UPDATE queues SET concurrency = 3")
        assert monitor.explain(task).startable
        run_sql(database, "UPDATE queues SET concurrency = 2")
        assert causes(monitor.explain(task)) == [Cause.CONCURRENCY]

    def test_a_host_that_wants_to_be_left_alone(self, monitor: Monitor, database: Database) -> None:
        task, until = one_queued(database), now_ms() + 30_000
        other = one_queued(database, url="https://other.test/")
        run_sql(
            database,
            "INSERT INTO hosts (host, held_until, held_reason) VALUES ('example.com', %s, '429')",
            until,
        )
        found = monitor.explain(task)
        assert (causes(found), found.earliest_start) == ([Cause.HOST_HELD], until)
        assert "example.com wants to be left alone: 429" in found.reasons[0].message
        assert monitor.explain(other).startable

    def test_the_gap_after_the_last_start_at_a_host(self, monitor: Monitor, database: Database) -> None:
        task, now = one_queued(database), now_ms()
        run_sql(database, "UPDATE queues SET host_gap = 20")
        run_sql(database, "INSERT INTO hosts (host, last_start_at) VALUES ('example.com', %s)", now - 5_000)
        found = monitor.explain(task)
        assert (causes(found), found.earliest_start) == ([Cause.HOST_GAP], now + 15_000)

    def test_the_gap_after_a_task_that_is_about_to_start(self, monitor: Monitor, database: Database) -> None:
        first, second = one_queued(database), one_queued(database)
        run_sql(database, "UPDATE queues SET host_gap = 20")
        assert monitor.explain(first).startable
        assert causes(monitor.explain(second))[0] is Cause.HOST_GAP

    def test_the_tasks_that_run_at_a_host(self, monitor: Monitor, database: Database) -> None:
        task_in(database, State.RUNNING)
        task = one_queued(database)
        run_sql(database, "UPDATE queues SET host_concurrency = 1")
        assert causes(monitor.explain(task)) == [Cause.HOST_CONCURRENCY]

    def test_busy_workers_and_a_line(self, monitor: Monitor, database: Database) -> None:
        daemon_with(database, workers=1, per_minute=60.0)
        task_in(database, State.RUNNING)
        for score in (10, 8, 5):
            one_queued(database, score=score)
        found = monitor.explain(one_queued(database, score=5))
        assert (causes(found), found.position) == ([Cause.AHEAD, Cause.WORKERS], 3)
        assert (found.earliest_start, found.certainty) == (found.at + 4_000, Certainty.ESTIMATE)

    def test_a_handler_that_no_daemon_has(self, monitor: Monitor, database: Database) -> None:
        found = monitor.explain(one_queued(database, handler="unheard_of"))
        assert causes(found) == [Cause.NO_HANDLER]
        assert found.startable

    def test_a_kind_of_work_at_its_cap(self, monitor: Monitor, database: Database) -> None:
        daemon_with(database, held_back='["fail"]')
        found = monitor.explain(one_queued(database, handler="fail"))
        assert (causes(found), found.startable) == ([Cause.KIND], False)
        assert "workers_thread" in found.reasons[0].message
        assert monitor.explain(one_queued(database)).startable

    def test_a_clock_that_is_off(self, monitor: Monitor, database: Database) -> None:
        run_sql(database, "UPDATE nodes SET clock_ahead = -30000")
        task = task_in(database, State.SCHEDULED, run_at=now_ms() + 60_000)
        found = monitor.explain(task)
        assert causes(found) == [Cause.CLOCK, Cause.NOT_DUE]


def test_without_a_daemon_it_says_what_starts_one(monitor: Monitor, database: Database) -> None:
    daemon_with(database)
    run_sql(database, "UPDATE nodes SET lease_until = 0")
    found = monitor.explain(one_queued(database))
    assert causes(found) == [Cause.NO_DAEMON]
    assert found.reasons[0].command == "queuectl daemon start"


def test_a_long_line_is_counted_up_to_a_bound(monitor: Monitor, database: Database) -> None:
    daemon_with(database, workers=1)
    with database.writing() as transaction:
        submit_copies(transaction, [new_task(number) for number in range(10_002)])
        submit_copies(transaction, [new_task(number, score=8) for number in range(5)])
    last = monitor.explain(10_002)
    assert (last.position, last.position_is_least) == (10_005, True)
    assert "more than 10,005 queued tasks" in last.reasons[0].message
    tenth = monitor.explain(10)
    assert (tenth.position, tenth.position_is_least) == (14, False)


def test_where_waiting_counts_the_queues_take_turns(monitor: Monitor, database: Database) -> None:
    daemon_with(database, workers=1)
    apply_aging(database, 1.0)
    now = now_ms()
    with database.writing() as transaction:
        old, _ = submit(
            transaction,
            new_task(1, score=1, due_at=now - 3_600_000),
            new_task(2, score=10, due_at=now),
        )
    assert monitor.explain(old).startable
    urgent = monitor.explain(old + 1)
    assert (causes(urgent), urgent.position) == ([Cause.AHEAD], 1)


def test_the_daemon_tells_its_handlers(settings: Settings, database: Database) -> None:
    daemon_with(database)
    with database.reading() as transaction:
        (node,) = nodes.every(transaction)
    assert node.handlers == DAEMON.handlers
    assert abs(node.clock_ahead) < 60_000
    with QueueManager(settings) as manager:
        task = manager.submit_task("https://example.com/a")
    assert Monitor(settings).explain(task).startable
