"""Nodes that die or are cut off from the database: others take over in time, and what comes late changes nothing."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable

import pytest

from tests.support.daemon import POSTGRES_REDIS, Installation, MakeInstallation
from tests.support.link import BOTH, Direction, link_to
from tests.support.waiting import wait_until

Neighbour = Callable[..., Installation]

TAKEN_OVER = 35.0
"""Seconds in which the tasks of a node that is gone are at work elsewhere: its lease, a look, and the start."""

pytestmark = pytest.mark.timeout(240)


def working(site: Installation, count: int) -> list[int]:
    """Submit tasks that go on until the test opens the door, and wait until they are at work."""
    tasks = site.submit_many(count, "p_until_file", until=str(site.home / "door"))
    site.witness.wait_for_starts(count)
    return tasks


def test_the_tasks_of_a_killed_node_are_at_work_elsewhere_in_time(
    install: MakeInstallation, neighbour: Neighbour
) -> None:
    first = install(POSTGRES_REDIS, workers=3, role="worker")
    others = [neighbour(first, workers=3, role=role) for role in ("all", "scheduler")]
    first.daemon.start()
    tasks = working(first, 3)
    for each in others:
        each.daemon.start()
    first.daemon.kill()
    killed = time.monotonic()
    first.witness.wait_for_starts(6, within=TAKEN_OVER)
    assert time.monotonic() - killed < TAKEN_OVER
    (first.home / "door").touch()
    first.wait_until_done()
    assert {first.task(each).attempts[-1].node for each in tasks} == {others[0].daemon.node}
    assert [first.outcomes(each) for each in tasks] == [["crashed", "succeeded"]] * 3
    first.check(may_overlap=True)


@pytest.mark.parametrize(
    "directions", [BOTH, BOTH[:1], BOTH[1:]], ids=["both", "to the server", "to the client"]
)
def test_a_node_whose_link_freezes_starts_nothing_more_and_writes_nothing_afterwards(
    install: MakeInstallation, neighbour: Neighbour, emptied_postgres: str, directions: tuple[Direction, ...]
) -> None:
    with link_to(emptied_postgres) as (link, over_link):
        cut_off = install(POSTGRES_REDIS, database_url=over_link, direct_url=emptied_postgres, workers=2)
        other = neighbour(cut_off, database_url=emptied_postgres, workers=4)
        cut_off.daemon.start()
        lost = cut_off.daemon.node
        tasks = working(cut_off, 2)
        link.freeze(*directions)
        frozen = time.monotonic()
        other.daemon.start()
        more = other.submit_many(40)
        cut_off.witness.wait_for_starts(2 + 2 + 40, within=TAKEN_OVER + 20)
        assert time.monotonic() - frozen < TAKEN_OVER + 20, "another machine has all of them"
        # What the lost node's own runs say now comes from a node that nobody listens to any more.
        (cut_off.home / "door").touch()
        other.wait_for(*tasks, *more, within=60)
        ends = other.rows("SELECT id, fence, state FROM tasks ORDER BY id")
        attempts = other.rows("SELECT COUNT(*) FROM attempts")
        link.thaw()
        wait_until(
            lambda: lost in {each.id for each in other.monitor.get_realtime_status().nodes if each.alive},
            within=60,
            describing="the lost node to be heard of again",
        )
        assert other.rows("SELECT id, fence, state FROM tasks ORDER BY id") == ends
        assert other.rows("SELECT COUNT(*) FROM attempts") == attempts
        assert {row[2] for row in ends} == {"succeeded"}
        again = other.submit_many(20)
        other.wait_for(*again)
        cut_off.check(may_overlap=True)
        cut_off.daemon.stop(within=60)


def test_a_halted_node_that_goes_on_too_late_changes_nothing(
    install: MakeInstallation, neighbour: Neighbour
) -> None:
    halted = install(POSTGRES_REDIS, workers=2)
    other = neighbour(halted, workers=2)
    halted.daemon.start()
    tasks = working(halted, 2)
    other.daemon.start()
    halted.daemon.send(signal.SIGSTOP)
    halted.witness.wait_for_starts(4, within=TAKEN_OVER + 20)
    (halted.home / "door").touch()
    other.wait_for(*tasks)
    ends = other.rows("SELECT id, fence, state, attempt FROM tasks ORDER BY id")
    halted.daemon.send(signal.SIGCONT)
    other.wait_for(*other.submit_many(20))
    assert (
        other.rows("SELECT id, fence, state, attempt FROM tasks WHERE id <= %s ORDER BY id", max(tasks))
        == ends
    )
    assert halted.daemon.stop(within=60) == 0
    halted.check(may_overlap=True)
