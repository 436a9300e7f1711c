"""What people do to a running daemon's tasks and queues: cancel, pause, resume, put in front."""

from __future__ import annotations

import contextlib
import time
from datetime import UTC, datetime, timedelta

import pytest

from queuectl.clock import monotonic
from queuectl.errors import WrongStateError
from tests.support.daemon import KINDS, POSTGRES_REDIS, SQLITE, Installation, MakeInstallation
from tests.support.waiting import wait_until

every_kind = pytest.mark.parametrize("kind", KINDS)


def blocked(site: Installation, workers: int) -> str:
    """Keep every worker busy until the file exists whose name this returns."""
    door = str(site.home / "door")
    site.submit_many(workers, "until_file", until=door, options={"priority": "urgent"})
    site.witness.wait_for_starts(workers)
    return door


def starts_when_quiet(site: Installation) -> int:
    """Wait until nothing has started for a second, and return how many have started by then."""
    seen, since = -1, monotonic()

    def is_quiet() -> bool:
        nonlocal seen, since
        count = len(site.witness.starts())
        if count != seen:
            seen, since = count, monotonic()
        return monotonic() - since > 1

    wait_until(is_quiet, within=30, describing="no more starts")
    return seen


def open_door(site: Installation) -> None:
    (site.home / "door").touch()


@every_kind
def test_a_waiting_task_is_cancelled_for_good(install: MakeInstallation, kind: str) -> None:
    site = install(kind, workers=1)
    site.daemon.start()
    blocked(site, 1)
    waiting = site.submit_many(3)
    assert site.manager.cancel_task(waiting[1]).state == "cancelled"
    open_door(site)
    site.wait_until_done()
    assert site.witness.starts(waiting[1]) == []
    assert [site.task(task).state for task in waiting] == ["succeeded", "cancelled", "succeeded"]
    site.check()


@every_kind
def test_a_retrying_and_a_scheduled_task_are_cancelled_for_good(install: MakeInstallation, kind: str) -> None:
    site = install(kind, retry_backoff=4, retry_backoff_max=4)
    site.daemon.start()
    retrying = site.submit(failing=[1, 2, 3])
    scheduled = site.submit(options={"publish_at": datetime.now(UTC) + timedelta(seconds=4)})
    site.wait_for_state(retrying, "retrying")
    for task in (retrying, scheduled):
        assert site.manager.cancel_task(task).state == "cancelled"
    later = site.submit(options={"publish_at": datetime.now(UTC) + timedelta(seconds=4.5)})
    site.wait_for(later)
    assert len(site.witness.starts(retrying)) == 1
    assert site.witness.starts(scheduled) == []
    site.check()


@every_kind
def test_a_task_that_is_on_its_way_already_is_cancelled_for_good(
    install: MakeInstallation, kind: str
) -> None:
    # A thousand quick runs make the daemon fetch ahead; then long tasks are on their way to its workers.
    site = install(kind, workers=2)
    site.submit_many(1000)
    slow = site.submit_many(40, seconds=0.2)
    site.daemon.start()
    site.witness.wait_for(lambda: bool(site.witness.starts(slow[0])), "the first long task to start")
    answered: dict[int, int] = {}
    for task in reversed(slow[4:30]):
        with contextlib.suppress(WrongStateError):  # the first ones may have ended by then
            site.manager.cancel_task(task)
            answered[task] = time.monotonic_ns()
    site.wait_until_done()
    for task, at in answered.items():
        starts = site.witness.starts(task)
        assert [each for each in starts if each.at > at] == [], f"task_{task} began after its cancellation"
        assert len(starts) <= 1
        assert site.task(task).state == "cancelled" or starts
    assert not all(site.witness.starts(task) for task in answered), "nothing was on its way"
    assert [site.task(task).state for task in slow[30:]] == ["succeeded"] * 10
    site.check()


@pytest.mark.parametrize("handler", ["patient", "p_patient"])
@every_kind
def test_a_running_task_that_listens_ends_at_once(install: MakeInstallation, kind: str, handler: str) -> None:
    site = install(kind)
    site.daemon.start()
    task = site.submit(handler)
    site.witness.wait_for_starts(1)
    assert site.manager.cancel_task(task).state in {"running", "cancelled"}
    site.wait_for(task)
    assert site.task(task).state == "cancelled"
    assert site.outcomes(task) == ["cancelled"]
    assert len(site.witness.ends(task)) == 1, "by itself, and not by force"
    site.check()


@pytest.mark.parametrize("kind", [SQLITE, POSTGRES_REDIS])
def test_a_running_task_that_does_not_listen_is_ended_by_force(install: MakeInstallation, kind: str) -> None:
    site = install(kind)
    site.daemon.start()
    task = site.submit("p_stubborn")
    site.witness.wait_for_starts(1)
    site.manager.cancel_task(task)
    site.wait_for(task)
    assert site.task(task).state == "cancelled"
    assert site.outcomes(task) == ["cancelled"]
    assert site.witness.ends(task) == []
    site.check()


@every_kind
def test_a_task_that_fails_while_its_cancellation_is_wanted_does_not_run_again(
    install: MakeInstallation, kind: str
) -> None:
    site = install(kind, workers=1)
    site.daemon.start()
    task = site.submit("fail_after_file", until=str(site.home / "go"), options={"max_retries": 5})
    site.witness.wait_for_starts(1)
    site.manager.cancel_task(task)
    (site.home / "go").touch()
    site.wait_for(task)
    assert site.task(task).state == "cancelled"
    assert len(site.witness.starts(task)) == 1
    site.check()


@pytest.mark.parametrize("kind", [SQLITE, POSTGRES_REDIS])
def test_a_pause_and_a_resumption_take_effect_while_tasks_wait(install: MakeInstallation, kind: str) -> None:
    site = install(kind, workers=2)
    site.daemon.start()
    site.submit_many(600, seconds=0.02)
    site.witness.wait_for_starts(10)

    site.manager.pause_queue("medium")
    begun = starts_when_quiet(site)
    other = site.submit_many(5, options={"priority": "low"})
    site.wait_for(*other)
    assert len(site.witness.starts()) == begun + len(other)
    assert begun < 500

    site.manager.resume_queue("medium")
    site.witness.wait_for_starts(begun + len(other) + 1)
    site.wait_until_done()
    site.check()


@every_kind
def test_a_pause_holds_for_tasks_that_are_dispatched_already(install: MakeInstallation, kind: str) -> None:
    # A thousand quick runs make the daemon fetch ahead; then long tasks are in its hands when the pause comes.
    site = install(kind, workers=2)
    site.submit_many(1000)
    slow = site.submit_many(60, seconds=0.3)
    site.daemon.start()
    site.witness.wait_for(lambda: bool(site.witness.starts(slow[0])), "the first long task to start")

    site.manager.pause_queue("medium")
    begun = starts_when_quiet(site)
    assert begun < 1000 + 30
    site.wait_for(site.submit(options={"priority": "low"}))
    assert starts_when_quiet(site) == begun + 1

    site.manager.clear_queue("medium")
    site.wait_until_done()
    site.check()


@every_kind
def test_a_late_urgent_task_is_next(install: MakeInstallation, kind: str) -> None:
    site = install(kind, workers=1)
    site.daemon.start()
    blocked(site, 1)
    low = site.submit_many(10, options={"priority": "low"}, seconds=0.25)
    urgent = site.submit(options={"priority": "urgent"})
    open_door(site)
    site.wait_until_done()
    begun = site.witness.order()[1:]
    # News of a submission travels for some milliseconds, in which the worker may come free: one low task at most.
    assert begun.index(urgent) <= 1
    assert [task for task in begun if task != urgent] == low
    site.check()


@every_kind
def test_waiting_counts_as_urgency_where_that_is_set(install: MakeInstallation, kind: str) -> None:
    # One point of score weighs as much as 60 ms of waiting.
    site = install(kind, workers=1, priority_aging=0.001)
    old = site.submit(options={"priority": "background"}, seconds=0.06)
    born = monotonic()
    wait_until(lambda: monotonic() - born > 1.0)
    young = site.submit(options={"priority": "urgent"}, seconds=0.06)
    middle = site.submit(options={"priority": "medium"}, seconds=0.06)
    site.daemon.start()
    site.wait_until_done()
    assert site.witness.order() == [old, young, middle]
    site.check()


def test_a_running_task_shows_what_it_says(install: MakeInstallation) -> None:
    site = install(SQLITE)
    site.daemon.start()
    task = site.submit("p_patient")
    shown = wait_until(
        lambda: [each for each in site.monitor.running() if each.fraction is not None],
        describing="the progress to be shown",
    )
    assert (shown[0].task.id, shown[0].fraction, shown[0].note) == (task, 0.5, "half way")
    site.manager.cancel_task(task)
    site.wait_for(task)
