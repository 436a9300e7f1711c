"""Several daemons on one PostgreSQL: they share the work, each task runs once, and one stands in for another."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable

import pytest

from queuectl.clock import monotonic
from tests.support.daemon import POSTGRES, POSTGRES_REDIS, Installation, MakeInstallation

Neighbour = Callable[..., Installation]
every_kind = pytest.mark.parametrize("kind", [POSTGRES, POSTGRES_REDIS])


@every_kind
def test_two_daemons_share_the_work_and_run_each_task_once(
    install: MakeInstallation, neighbour: Neighbour, kind: str
) -> None:
    site = install(kind, workers=3)
    other = neighbour(site)
    site.daemon.start()
    other.daemon.start()
    site.submit_many(600)
    site.submit_many(60, seconds=0.02)
    site.submit_many(20, "p_work", seconds=0.02)
    site.submit_many(20, failing=[1])
    site.wait_until_done()
    accounts = site.check()
    by_node = Counter(row["node"] for row in accounts.attempts)
    assert set(by_node) == {site.daemon.node, other.daemon.node}
    assert min(by_node.values()) > 50, by_node
    assert {node.id for node in site.monitor.get_realtime_status().nodes} == set(by_node)


@every_kind
def test_a_long_task_is_claimed_for_a_free_worker_only(
    install: MakeInstallation, neighbour: Neighbour, kind: str
) -> None:
    site = install(kind, workers=2)
    other = neighbour(site)
    site.daemon.start()
    other.daemon.start()
    for level in ("urgent", "high", "medium", "low", "background"):
        site.submit_many(3, seconds=1.0, options={"priority": level})
    site.wait_until_done()
    accounts = site.check()
    assert len({row["node"] for row in accounts.attempts}) == 2
    begun = {each.task: each.at / 1e9 + time.time() - monotonic() for each in site.witness.starts()}
    waits = [begun[row["task_id"]] - row["started_at"] / 1000 for row in accounts.attempts]
    # One that was claimed behind a busy worker would have waited for most of a run.
    assert max(waits) < 0.7, sorted(waits)


@every_kind
def test_a_cancellation_reaches_the_daemon_that_runs_the_task(
    install: MakeInstallation, neighbour: Neighbour, kind: str
) -> None:
    site = install(kind, workers=1)
    other = neighbour(site)
    site.daemon.start()
    other.daemon.start()
    tasks = site.submit_many(2, "patient")
    site.witness.wait_for_starts(2)
    assert len({each.pid for each in site.witness.starts()}) == 2
    for task in tasks:
        other.manager.cancel_task(task)
    site.wait_for(*tasks)
    assert {site.task(task).state for task in tasks} == {"cancelled"}
    site.check()


def test_what_a_stopped_daemon_had_in_hand_is_taken_over_at_once(
    install: MakeInstallation, neighbour: Neighbour
) -> None:
    site = install(POSTGRES_REDIS, workers=2, grace_period=0)
    other = neighbour(site)
    site.daemon.start()
    tasks = site.submit_many(2, "p_until_file", until=str(site.home / "door"))
    site.witness.wait_for_starts(2)
    other.daemon.start()
    assert site.daemon.stop() == 0
    site.witness.wait_for_starts(4)
    (site.home / "door").touch()
    site.wait_for(*tasks)
    assert [site.outcomes(task) for task in tasks] == [["interrupted", "succeeded"]] * 2
    site.check()


def test_a_daemon_stands_in_for_one_that_was_killed(install: MakeInstallation, neighbour: Neighbour) -> None:
    site = install(POSTGRES_REDIS, workers=4)
    other = neighbour(site)
    site.daemon.start()
    tasks = site.submit_many(4, "p_until_file", until=str(site.home / "door"))
    site.witness.wait_for_starts(4)
    other.daemon.start()
    waiting = site.submit_many(10, seconds=0.01)
    site.daemon.kill()
    site.wait_for(*waiting, within=20)
    # A node is judged by nobody before ten seconds of acquaintance, and then looked at every five.
    site.witness.wait_for_starts(18, within=30)
    (site.home / "door").touch()
    site.wait_for(*tasks)
    assert [site.outcomes(task) for task in tasks] == [["crashed", "succeeded"]] * 4
    assert [node.id for node in site.monitor.get_realtime_status().nodes] == [other.daemon.node]
    site.check()
