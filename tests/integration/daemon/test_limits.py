"""Limits of queues and hosts on running daemons, judged by what an outside witness saw of every start."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from queuectl.clock import monotonic
from queuectl.domain.task import ArticleTask, task_number
from tests.support.daemon import (
    POSTGRES,
    POSTGRES_REDIS,
    SQLITE,
    SQLITE_REDIS,
    Installation,
    MakeInstallation,
)
from tests.support.delays import Delays
from tests.support.fake_site import FakeSite, Visit
from tests.support.intervals import moments, most_at_once, shortest_span
from tests.support.waiting import wait_until

Neighbour = Callable[..., Installation]


@pytest.fixture
def delays() -> Iterator[Delays]:
    """Watch how long the machine may have kept a task from its handler's first line."""
    with Delays() as watched:
        yield watched


def submit_to(
    site: Installation, hosts: list[str], handler: str = "work", priority: str = "medium", **facts: Any
) -> None:
    """Submit one task for each host in the list, in this order, as one batch."""
    metadata = {"witness": str(site.witness.path)} | facts
    before = {number for (number,) in site.rows("SELECT id FROM tasks")}
    site.manager.submit_batch(
        (
            ArticleTask(f"http://{host}/{priority}/{number}", handler=handler, metadata=metadata)
            for number, host in enumerate(hosts)
        ),
        priority,
    )
    site.accepted += [
        number for (number,) in site.rows("SELECT id FROM tasks ORDER BY id") if number not in before
    ]


def starts_of(site: Installation, where: str, *params: object) -> list[float]:
    """Return when the tasks started that a condition in SQL chooses."""
    chosen = {number for (number,) in site.rows(f"SELECT id FROM tasks WHERE {where}", *params)}
    return moments(each for each in site.witness.starts() if each.task in chosen)


@pytest.mark.parametrize("kind", [SQLITE, SQLITE_REDIS, POSTGRES, POSTGRES_REDIS])
def test_a_rate_limit_holds_in_every_window_and_is_used_up(
    install: MakeInstallation, kind: str, delays: Delays
) -> None:
    site = install(kind)
    site.manager.update_queue_config("medium", {"rate_limit": "10/s"})
    site.daemon.start()
    site.submit_many(35)
    other = site.submit(options={"priority": "low"})
    site.wait_for(other)
    site.wait_until_done()
    seen = starts_of(site, "queue = 'medium_priority'")
    assert shortest_span(seen, 10) >= 1 - delays.longest, seen
    assert seen[-1] - seen[0] < 5.5 + 10 * delays.longest, "and the windows are filled as soon as they open"
    site.check()


def test_a_rate_limit_holds_over_a_kill_and_a_restart(install: MakeInstallation, delays: Delays) -> None:
    site = install(SQLITE)
    site.manager.update_queue_config("medium", {"rate_limit": "8/s"})
    site.submit_many(24)
    for _ in range(2):
        site.daemon.start()
        count = len(site.witness.starts())
        site.witness.wait_for_starts(count + 5)
        site.daemon.kill()
    site.daemon.start()
    site.wait_until_done()
    assert shortest_span(moments(site.witness.starts()), 8) >= 1 - delays.longest
    site.check()


@pytest.mark.parametrize("kind", [POSTGRES, POSTGRES_REDIS])
def test_two_daemons_keep_one_rate_limit_though_one_is_killed(
    install: MakeInstallation, neighbour: Neighbour, kind: str, delays: Delays
) -> None:
    site = install(kind)
    other = neighbour(site)
    site.manager.update_queue_config("medium", {"rate_limit": "10/s"})
    site.daemon.start()
    other.daemon.start()
    site.submit_many(45, seconds=0.01)
    site.witness.wait_for_starts(12)
    other.daemon.kill()
    site.witness.wait_for_starts(22)
    other.daemon.start()
    # What the killed one had claimed is found at its next start, since it is the same home.
    site.wait_until_done()
    assert shortest_span(moments(site.witness.starts()), 10) >= 1 - delays.longest
    site.check()


@pytest.mark.parametrize("kind", [SQLITE, POSTGRES_REDIS])
def test_no_more_tasks_are_at_work_than_a_queue_allows(
    install: MakeInstallation, neighbour: Neighbour, kind: str
) -> None:
    site = install(kind, workers=6)
    site.manager.update_queue_config("medium", {"concurrency": 3})
    site.daemon.start()
    if kind == POSTGRES_REDIS:
        neighbour(site).daemon.start()
    site.submit_many(40, seconds=0.03)
    site.wait_until_done()
    assert most_at_once(site.witness.sightings()) == 3
    site.check()


def test_a_host_gets_its_gap_across_queues_and_the_others_do_not_wait(
    install: MakeInstallation, delays: Delays
) -> None:
    site = install(SQLITE)
    for queue in ("high", "low"):
        site.manager.update_queue_config(queue, {"host_gap": 0.4})
    submit_to(site, ["slow.test"] * 4 + ["a.test", "b.test"], priority="high")
    submit_to(site, ["slow.test"] * 3 + ["c.test"], priority="low")
    site.daemon.start()
    site.wait_until_done()
    slow = starts_of(site, "host = 'slow.test'")
    assert len(slow) == 7
    assert shortest_span(slow, 1) >= 0.4 - delays.longest, slow
    assert slow[-1] - slow[0] < 6 * 0.4 + 2 + 10 * delays.longest
    assert max(starts_of(site, "host <> 'slow.test'")) < slow[3]
    site.check()


def test_two_daemons_keep_the_gap_of_a_host_and_its_concurrency(
    install: MakeInstallation, neighbour: Neighbour, delays: Delays
) -> None:
    site = install(POSTGRES_REDIS)
    other = neighbour(site)
    site.manager.update_queue_config("high", {"host_gap": 0.2})
    for queue in ("medium", "low"):
        site.manager.update_queue_config(queue, {"host_concurrency": 2})
    site.daemon.start()
    other.daemon.start()
    submit_to(site, ["gap.test"] * 8, priority="high")
    for queue in ("medium", "low"):
        submit_to(site, ["few.test", "other.test"] * 8, priority=queue, seconds=0.05)
    site.wait_until_done()
    assert shortest_span(starts_of(site, "host = 'gap.test'"), 1) >= 0.2 - delays.longest
    for host in ("few.test", "other.test"):
        ours = {number for (number,) in site.rows("SELECT id FROM tasks WHERE host = %s", host)}
        assert most_at_once(each for each in site.witness.sightings() if each.task in ours) == 2
    site.check()


@pytest.mark.parametrize("kind", [SQLITE, POSTGRES_REDIS])
def test_a_host_that_asks_for_it_is_left_alone_and_nothing_is_charged(
    install: MakeInstallation, kind: str, delays: Delays
) -> None:
    site = install(kind, max_retries=0)
    site.daemon.start()
    submit_to(site, ["busy.test"], "hold_host", priority="high", retry_after=1.5)
    site.witness.wait_for_starts(1)
    site.witness.wait_for(
        lambda: bool(site.rows("SELECT 1 FROM hosts WHERE held_until IS NOT NULL")), "a hold"
    )
    submit_to(site, ["busy.test", "free.test"] * 3, priority="low")
    wait_until(lambda: len(starts_of(site, "host = 'free.test'")) == 3, describing="the other host's tasks")
    assert len(starts_of(site, "host = 'busy.test'")) == 1
    site.wait_until_done()
    busy = starts_of(site, "host = 'busy.test'")
    assert busy[1] - busy[0] >= 1.5 - delays.longest
    assert busy[-1] - busy[0] < 1.5 + 1 + 10 * delays.longest
    (row,) = site.rows("SELECT attempt, released, state FROM tasks WHERE id = %s", site.accepted[0])
    assert row == (2, 1, "succeeded"), "the attempt was not charged, though no retry was left"
    site.check()


@pytest.mark.parametrize("kind", [SQLITE, POSTGRES])
def test_a_task_behind_fifty_thousand_of_a_held_host_starts_at_once(
    install: MakeInstallation, kind: str, delays: Delays
) -> None:
    site = install(kind)
    hold = "INSERT INTO hosts (host, held_until) VALUES ('busy.test', %s)"
    site.manager.submit_batch(
        ArticleTask(f"http://busy.test/{number}", handler="work") for number in range(50_000)
    )
    site.write(hold, 2**52)
    site.daemon.start()
    began = monotonic()
    task = site.submit()
    site.witness.wait_for_starts(1, within=20)
    assert site.witness.starts()[0].task == task
    assert site.witness.starts()[0].at / 1e9 - began < 1.5 + 10 * delays.longest
    assert site.rows("SELECT COUNT(*) FROM tasks WHERE state = 'queued'") == [(50_000,)]


@pytest.mark.parametrize("kind", [SQLITE, POSTGRES_REDIS])
def test_a_running_daemon_keeps_to_a_change_at_once(install: MakeInstallation, kind: str) -> None:
    site = install(kind)
    site.daemon.start()
    site.manager.update_queue_config("medium", {"rate_limit": "1/h"})
    first, second = site.submit_many(2)
    site.wait_for(first)
    block = site.monitor.get_realtime_status().queues[2].block
    assert block is not None
    assert block.reason.value == "rate_limit"
    assert block.until is not None
    assert len(site.witness.starts()) == 1
    site.manager.update_queue_config("medium", {"rate_limit": None})
    site.wait_for(second)
    assert site.monitor.get_realtime_status().queues[2].block is None
    site.check()


@pytest.mark.parametrize("kind", [SQLITE, POSTGRES_REDIS])
def test_a_limit_set_in_the_middle_counts_what_has_started_before(
    install: MakeInstallation, kind: str
) -> None:
    site = install(kind)
    site.daemon.start()
    site.submit_many(20)
    site.wait_until_done()
    site.manager.update_queue_config("medium", {"rate_limit": "20/h"})
    late = site.submit()
    other = site.submit(options={"priority": "low"})
    site.wait_for(other)
    assert site.task(late).state == "queued"
    site.manager.update_queue_config("medium", {"rate_limit": "21/h"})
    site.wait_for(late)
    site.check()


def test_budgets_that_are_set_hold_for_the_next_run_and_win_over_the_file(install: MakeInstallation) -> None:
    site = install(SQLITE, queues={"medium": {"task_timeout": 60, "max_retries": 2}})
    site.daemon.start()
    site.manager.update_queue_config("medium", {"task_timeout": 0.3, "max_retries": 0})
    task = site.submit("p_stubborn")
    site.wait_for(task)
    assert site.outcomes(task) == ["timed_out"]
    assert site.task(task).error == "ran longer than its time limit of 0.3 s"
    site.check()


def test_a_limited_queue_waits_behind_what_is_more_urgent(install: MakeInstallation) -> None:
    site = install(POSTGRES_REDIS, workers=1)
    site.manager.update_queue_config("low", {"concurrency": 1})
    low = site.submit_many(3, seconds=0.06, options={"priority": "low"})
    high = site.submit_many(10, seconds=0.06, options={"priority": "high"})
    site.daemon.start()
    site.wait_until_done()
    assert site.witness.order() == high + low
    site.check()


def test_a_claim_that_begins_too_late_is_given_back_and_costs_the_queue_no_start(
    install: MakeInstallation,
) -> None:
    site = install(SQLITE, workers=1)
    site.manager.update_queue_config("medium", {"rate_limit": "20/m"})
    site.daemon.start()
    site.submit_many(12, seconds=0.001, options={"priority": "urgent"})  # so that claims run ahead
    site.wait_until_done()
    tasks = site.submit_many(6, seconds=0.7)
    site.wait_until_done()
    outcomes = [outcome for task in tasks for outcome in site.outcomes(task)]
    assert outcomes.count("succeeded") == 6
    (counted,) = site.rows("SELECT MAX(total) FROM queue_starts")
    assert counted[0] <= 6, outcomes
    site.check()


@pytest.mark.parametrize("status", [429, 503])
def test_a_site_that_is_overrun_is_left_alone_as_long_as_it_asks(
    install: MakeInstallation, status: int
) -> None:
    page = (
        "<html><body><article><h1>A title</h1><p>"
        + "Some words of an article. " * 40
        + "</p></article></body></html>"
    )
    site = install(SQLITE, max_retries=0, fetch_allow_networks=["127.0.0.0/8", "::1/128"])
    site.daemon.start()
    with FakeSite() as server:
        refused: list[float] = []

        def answer(visit: Visit) -> None:
            refused.append(monotonic())
            server.page("/busy", page)
            visit.send(
                f"HTTP/1.1 {status} Busy\r\nRetry-After: 5\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode()
            )

        busy = site.manager.submit_task(server.reply("/busy", answer))
        wait_until(lambda: bool(refused), describing="the first visit")
        site.witness.wait_for(lambda: bool(site.rows("SELECT 1 FROM hosts WHERE held_until > 0")), "the hold")
        behind = site.manager.submit_task(server.page("/behind", page), "urgent")
        free = site.manager.submit_task(server.page("/free", page).replace("127.0.0.1", "localhost"), "low")
        site.wait_for(task_number(free))
        assert len(server.requests) == 2, "the page of the other host, and no other of the held one"
        assert site.task(task_number(behind)).state == "queued"
        site.wait_for(task_number(busy), task_number(behind))
    first = site.task(task_number(busy))
    assert [attempt.outcome for attempt in first.attempts] == ["failed", "succeeded"]
    assert first.attempts[1].started_at - first.attempts[0].started_at >= 5000
    assert f"answered {status}" in (first.attempts[0].error or "")
    assert site.rows("SELECT host FROM hosts WHERE held_reason IS NOT NULL") == [("127.0.0.1",)]
