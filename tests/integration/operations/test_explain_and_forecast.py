"""An explanation and a forecast name the same start of a task, because both ask the rules of admission."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from queuectl import Monitor, Settings
from queuectl.clock import now_ms
from queuectl.domain.explanation import Certainty
from queuectl.domain.lifecycle import State
from queuectl.store import queues
from queuectl.store.database import Database
from tests.integration.operations.test_explain import daemon_with, one_queued, run_sql
from tests.support.factories import new_task, submit_copies, task_in

NEAR_MS = 1_000
"""The two are asked one after the other, and what has no date yet counts from the moment of asking."""

HOST = "example.com"


@pytest.fixture
def monitor(settings: Settings) -> Iterator[Monitor]:
    monitor = Monitor(settings)
    yield monitor
    monitor.close()


def free(database: Database) -> int:
    return one_queued(database)


def planned(database: Database) -> int:
    return task_in(database, State.SCHEDULED, run_at=now_ms() + 7_000_000)


def rate_used_up(database: Database) -> int:
    run_sql(database, "UPDATE queues SET rate_starts = 2, rate_period = 60000")
    run_sql(
        database, "INSERT INTO queue_starts (queue, at, total) VALUES ('medium_priority', %s, 2)", now_ms()
    )
    return one_queued(database)


def rate_with_many_before(database: Database) -> int:
    run_sql(database, "UPDATE queues SET rate_starts = 10, rate_period = 60000")
    run_sql(
        database,
        "INSERT INTO queue_starts (queue, at, total) VALUES ('medium_priority', %s, 4)",
        now_ms() - 25_000,
    )
    queued(database, 47)
    return one_queued(database)


def gap_after_a_start(database: Database) -> int:
    run_sql(database, "UPDATE queues SET host_gap = 90")
    run_sql(database, "INSERT INTO hosts (host, last_start_at) VALUES (%s, %s)", HOST, now_ms() - 30_000)
    return one_queued(database)


def gaps_with_some_before(database: Database) -> int:
    run_sql(database, "UPDATE queues SET host_gap = 90")
    queued(database, 5)
    return one_queued(database)


def host_held(database: Database) -> int:
    run_sql(
        database,
        "INSERT INTO hosts (host, held_until, held_reason) VALUES (%s, %s, '429')",
        HOST,
        now_ms() + 50_000,
    )
    return one_queued(database)


def host_held_and_gaps(database: Database) -> int:
    run_sql(database, "UPDATE queues SET host_gap = 20")
    host_held(database)
    return one_queued(database)


def queued(database: Database, count: int) -> None:
    with database.writing() as transaction:
        submit_copies(transaction, [new_task(number, due_at=now_ms()) for number in range(count)])


def paused(database: Database) -> int:
    with database.writing() as transaction:
        queues.set_paused(transaction, "medium_priority", paused=True)
    return one_queued(database)


@pytest.mark.parametrize(
    "situation",
    [
        free,
        planned,
        rate_used_up,
        rate_with_many_before,
        gap_after_a_start,
        gaps_with_some_before,
        host_held,
        host_held_and_gaps,
    ],
)
def test_both_name_the_same_start(
    database: Database, monitor: Monitor, situation: Callable[[Database], int]
) -> None:
    daemon_with(database, workers=100)
    task = situation(database)
    explained = monitor.explain(task)
    foretold = monitor.simulate().present.start_of(task)
    assert explained.certainty is not Certainty.AT_LEAST
    assert explained.earliest_start is not None
    assert foretold is not None
    assert abs(foretold - explained.earliest_start) <= NEAR_MS
    if explained.certainty is Certainty.KNOWN:
        assert foretold == explained.earliest_start


def test_neither_names_one_for_a_paused_queue(database: Database, monitor: Monitor) -> None:
    daemon_with(database)
    task = paused(database)
    assert monitor.explain(task).certainty is Certainty.AT_LEAST
    assert monitor.simulate().present.start_of(task) is None


def test_without_a_daemon_the_forecast_thinks_of_one_and_is_not_earlier(
    database: Database, monitor: Monitor
) -> None:
    task = planned(database)
    explained, found = monitor.explain(task), monitor.simulate()
    assert (explained.certainty, found.daemon_runs) == (Certainty.AT_LEAST, False)
    assert found.present.start_of(task) == explained.earliest_start
