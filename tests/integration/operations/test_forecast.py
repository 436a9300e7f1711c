"""What the monitor says of the future: from what is stored, and without changing anything."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import pytest

from queuectl import Monitor, Settings
from queuectl.clock import now_ms
from queuectl.domain.lifecycle import Move, State
from queuectl.domain.rate import RateLimit
from queuectl.errors import InvalidInputError, QueueNotFoundError
from queuectl.operations import forecast
from queuectl.operations.forecast import WhatIf
from queuectl.store import nodes
from queuectl.store.database import Database
from queuectl.store.nodes import NodeReport
from tests.support.factories import all_rows, ending, finish, new_task, started, submit, task_in


@pytest.fixture
def monitor(settings: Settings) -> Iterator[Monitor]:
    monitor = Monitor(settings)
    yield monitor
    monitor.close()


def queued(database: Database, count: int, score: int = 5) -> list[int]:
    with database.writing() as transaction:
        return submit(
            transaction, *(new_task(number, score=score, due_at=now_ms()) for number in range(count))
        )


def recorded(database: Database, took: int, count: int = 6) -> None:
    """Leave runs of so many milliseconds behind."""
    for number in range(count):
        with database.writing() as transaction:
            (task,) = submit(transaction, new_task(1000 + number))
            work = started(transaction, task, "medium_priority")
            finish(transaction, [ending(work, Move.SUCCEED, finished_at=work.started_at + took)])


def test_eight_workers_do_what_waits_as_fast_as_recorded(database: Database, monitor: Monitor) -> None:
    recorded(database, 3_000)
    ids = queued(database, 16)
    before = all_rows(database, "tasks")
    found = monitor.simulate()
    assert (found.workers, found.daemon_runs, found.recorded, found.changed) == (8, False, 6, None)
    assert found.present.ends_at == found.at + 6_000
    assert [found.present.start_of(number) for number in ids] == [found.at] * 8 + [found.at + 3_000] * 8
    assert len(found.delayed) == 8
    assert all_rows(database, "tasks") == before


def test_a_change_is_compared_with_the_present(database: Database, monitor: Monitor) -> None:
    ids = queued(database, 4, score=3)
    found = monitor.simulate(WhatIf(workers=1, add=2, priority="high", duration_ms=5_000))
    assert found.changed is not None
    assert found.present.ends_at == found.at + 1_000
    assert found.changed.ends_at == found.at + 14_000
    assert [found.changed.start_of(number) for number in ids] == [
        found.at + 10_000 + place * 1_000 for place in range(4)
    ]
    assert (found.delayed_count, found.hastened_count) == (4, 0)
    assert [each.task for each in found.delayed] == ids[::-1]
    assert found.delayed[0].later_ms == 13_000


def test_limits_of_the_what_if_replace_the_present_ones(database: Database, monitor: Monitor) -> None:
    queued(database, 3)
    found = monitor.simulate(WhatIf(rate_limits={"medium": "1/m"}))
    assert found.changed is not None
    limit, guard = RateLimit(1, 60_000), 1_000  # a start may happen so much after it was granted
    second = limit.stamp(found.at + guard) + 60_000
    assert found.changed.ends_at == limit.stamp(second + guard) + 60_000 + 1_000
    with database.writing() as transaction:
        transaction.execute("UPDATE queues SET concurrency = 1 WHERE name = 'medium_priority'")
    freed = monitor.simulate(WhatIf(concurrency={"medium_priority": None}))
    assert freed.present.ends_at == freed.at + 3_000
    assert freed.changed is not None
    assert freed.changed.ends_at == freed.at + 1_000
    assert (freed.delayed_count, freed.hastened_count) == (0, 2)


def test_running_scheduled_and_retrying_tasks_take_part(database: Database, monitor: Monitor) -> None:
    now = now_ms()
    running = task_in(database, State.RUNNING, 1)
    scheduled = task_in(database, State.SCHEDULED, 2, run_at=now + 50_000)
    retrying = task_in(database, State.RETRYING, 3)
    with database.writing() as transaction:
        transaction.execute("UPDATE tasks SET started_at = %s WHERE id = %s", (now, running))
        transaction.execute("UPDATE tasks SET due_at = %s WHERE id = %s", (now + 70_000, retrying))
    found = monitor.simulate(WhatIf(workers=1))
    assert found.present.start_of(scheduled) == now + 50_000
    assert found.present.start_of(retrying) == now + 70_000
    assert found.present.start_of(running) is None
    assert found.present.ends_at == now + 71_000
    medium = next(queue for queue in found.present.queues if queue.name == "medium_priority")
    assert medium.tasks == 3


def test_a_long_backlog_is_sampled_and_says_so(
    database: Database, monitor: Monitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forecast, "MOST_FOLLOWED", 50)
    queued(database, 200)
    found = monitor.simulate()
    assert found.weight == 4
    assert found.present.ends_at is not None
    assert found.present.ends_at - found.at == pytest.approx(25_000, rel=0.15)


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        (WhatIf(workers=0), "number of workers 0 is not a whole number from 1"),
        (WhatIf(workers=True), "number of workers True"),
        (WhatIf(add=-1), "number of tasks to add -1"),
        (WhatIf(add=2, duration_ms=-5), "duration in milliseconds -5"),
        (WhatIf(concurrency={"low": 0}), "concurrency 0 is not a whole number from 1"),
        (WhatIf(rate_limits={"low": "150/fortnight"}), "150/fortnight"),
        (WhatIf(add=1, priority="sometimes"), "unknown priority 'sometimes'"),
    ],
)
def test_a_change_that_is_none_is_refused(monitor: Monitor, wanted: WhatIf, says: str) -> None:
    with pytest.raises(InvalidInputError, match=says):
        monitor.simulate(wanted)


def test_a_limit_for_a_queue_that_is_not_there_is_refused(monitor: Monitor) -> None:
    with pytest.raises(QueueNotFoundError, match="there is no queue 'lowest'"):
        monitor.simulate(WhatIf(rate_limits={"lowest": "1/h"}))


def test_caps_of_kinds_count_for_all_nodes_together(database: Database, monitor: Monitor) -> None:
    recorded(database, 3_000)
    ids = queued(database, 5)
    for name, caps in (("one", '{"process": 1}'), ("two", '{"process": 2, "async": 50}')):
        report = NodeReport(
            name, "here", 7, "1", 0, 8, 0, "redis", 1, 0.0, "{}", '["article"]', '{"article": "process"}', "[]",
            "all", caps,
        )  # fmt: skip
        with database.writing() as transaction:
            nodes.save(transaction, report, 60_000)
    found = monitor.simulate()
    assert (found.workers, found.daemon_runs) == (16, True)
    starts = [(found.present.start_of(number) or 0) - found.at for number in ids]
    assert starts == [0, 0, 0, 3_000, 3_000]


def test_without_a_daemon_the_caps_are_those_of_the_settings(database: Database, settings: Settings) -> None:
    recorded(database, 3_000)
    ids = queued(database, 3)
    with closing(Monitor(replace(settings, workers_process=1))) as monitor:
        found = monitor.simulate()
    assert [(found.present.start_of(number) or 0) - found.at for number in ids] == [0, 3_000, 6_000]
