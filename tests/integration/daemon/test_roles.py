"""Daemons of one database that share the work by their roles: workers run tasks, a scheduler does everything else."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from queuectl.errors import ConfigurationError
from queuectl.operations.scaling import scale
from queuectl.operations.scheduler import Scheduler
from queuectl.settings import load
from tests.support.daemon import POSTGRES, POSTGRES_REDIS, Installation, MakeInstallation
from tests.support.waiting import wait_until

Neighbour = Callable[..., Installation]
_LOOKS = 5.0
"""Seconds in which a daemon that fires schedules and removes what is old does so several times."""


def let_it_look() -> None:
    """Let a few looks pass in which nothing may happen."""
    until = time.monotonic() + _LOOKS
    wait_until(lambda: time.monotonic() > until, within=_LOOKS + 5, describing="a few looks")


@pytest.mark.parametrize("kind", [POSTGRES, POSTGRES_REDIS])
def test_a_scheduler_makes_tasks_due_and_only_a_worker_runs_them(
    install: MakeInstallation, neighbour: Neighbour, kind: str
) -> None:
    scheduler = install(kind, role="scheduler")
    worker = neighbour(scheduler, role="worker")
    scheduler.daemon.start()
    now = scheduler.submit()
    soon = scheduler.manager.submit_task(
        "http://example.test/soon",
        handler="work",
        metadata={"witness": str(scheduler.witness.path)},
        publish_at=datetime.now(UTC) + timedelta(seconds=0.3),
    )
    number = int(soon.removeprefix("task_"))
    scheduler.accepted.append(number)
    scheduler.wait_for_state(number, "queued")
    let_it_look()
    assert [scheduler.task(each).state for each in (now, number)] == ["queued", "queued"]
    assert scheduler.task(now).attempt == 0
    worker.daemon.start()
    scheduler.wait_until_done()
    nodes = {attempt.node for each in (now, number) for attempt in scheduler.task(each).attempts}
    assert nodes == {worker.daemon.node}
    shown = {each.id: (each.role, each.workers) for each in scheduler.monitor.get_realtime_status().nodes}
    assert shown == {scheduler.daemon.node: ("scheduler", 0), worker.daemon.node: ("worker", 4)}
    assert [each.node for each in scale(worker.settings, 6, everywhere=True)] == [worker.daemon.node]
    scheduler.check()


def test_a_worker_fires_no_schedule_and_removes_nothing(
    install: MakeInstallation, neighbour: Neighbour
) -> None:
    worker = install(POSTGRES, role="worker", retention_days=10)
    scheduler = neighbour(worker, role="scheduler", retention_days=10)
    (scheduler.home / "sources").mkdir()
    source = worker.home / "sources" / "urls.txt"
    source.parent.mkdir()
    for home in (worker.home, scheduler.home):
        (home / "sources" / "urls.txt").write_text("http://example.test/listed\n")
    with Scheduler(scheduler.settings) as rules:
        rules.schedule_recurring("file://urls.txt", "0 0 1 1 *", name="yearly", handler="echo")
    worker.daemon.start()
    old = worker.submit()
    worker.wait_for(old)
    worker.write("UPDATE tasks SET finished_at = 1000 WHERE id = %s", old)
    worker.write("UPDATE schedules SET next_tick_at = 1000")
    let_it_look()
    assert worker.rows("SELECT COUNT(*) FROM ticks") == [(0,)]
    assert old in worker.states()
    scheduler.daemon.start()
    wait_until(lambda: old not in worker.states(), within=30, describing="the old task to be removed")
    wait_until(lambda: worker.rows("SELECT COUNT(*) FROM ticks") != [(0,)], within=30, describing="a tick")


@pytest.mark.parametrize("role", ["worker", "scheduler"])
def test_a_role_needs_a_database_that_is_shared(home: Path, role: str) -> None:
    with pytest.raises(ConfigurationError, match="needs a database that several daemons share"):
        load(home=home, environ={"QUEUECTL_ROLE": role})
    with pytest.raises(ConfigurationError, match="one of all, worker, scheduler"):
        load(home=home, environ={"QUEUECTL_ROLE": "boss"})
