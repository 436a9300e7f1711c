"""Nodes that die or are cut off from the database: others take over in time, and what comes late changes nothing."""

from __future__ import annotations

import signal
from collections.abc import Callable

import pytest

from queuectl.store.database import Database
from tests.support.daemon import POSTGRES, POSTGRES_REDIS, Installation, MakeInstallation
from tests.support.link import BOTH, Direction, link_to
from tests.support.takeover import LONGEST_MS, heard_of, taken_over_after
from tests.support.waiting import wait_until

Neighbour = Callable[..., Installation]

TAKEN_OVER = 90.0
"""A patience of seconds; whether it was in time is judged by the rows."""

DISTRUSTED_MS = 15_000
"""A node that has not been heard of for this long starts nothing; its lease ends at twice that."""

pytestmark = pytest.mark.timeout(240)


def working(site: Installation, count: int) -> list[int]:
    """Submit tasks that go on until the test opens the door, and wait until they are at work."""
    tasks = site.submit_many(count, "p_until_file", until=str(site.home / "door"))
    site.witness.wait_for_starts(count)
    return tasks


def last_heard_of(site: Installation, node: str) -> int:
    """Wait until a node that is cut off has been silent for a while, and return when it was heard of last.

    What was on its way when the link froze may still have come.
    """
    return wait_until(lambda: silent_since(site, node, 3_000), within=30, describing="a silent node")


def silent_since(site: Installation, node: str, least_ms: int) -> int:
    """Return when a node was last heard of, by the database's clock; 0 if that is not as long ago."""
    heard = heard_of(site, node)
    database = Database(site.settings.database_url)
    with database.reading() as transaction:
        now = transaction.now()
    database.close()
    return heard if now - heard >= least_ms else 0


def test_the_tasks_of_a_killed_node_are_at_work_elsewhere_in_time(
    install: MakeInstallation, neighbour: Neighbour
) -> None:
    first = install(POSTGRES_REDIS, workers=3, role="worker")
    others = [neighbour(first, workers=3, role=role) for role in ("all", "scheduler")]
    first.daemon.start()
    tasks = working(first, 3)
    for each in others:
        each.daemon.start()
    lost = first.daemon.node
    first.daemon.kill()
    heard = heard_of(first, lost)
    first.witness.wait_for_starts(6, within=TAKEN_OVER)
    (first.home / "door").touch()
    first.wait_until_done()
    assert taken_over_after(first, lost, heard) <= LONGEST_MS
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
        heard = last_heard_of(other, lost)
        other.daemon.start()
        more = other.submit_many(40)
        cut_off.witness.wait_for_starts(2 + 2 + 40, within=TAKEN_OVER)
        # What the lost node's own runs say now comes from a node that nobody listens to any more.
        (cut_off.home / "door").touch()
        other.wait_for(*tasks, *more, within=60)
        assert taken_over_after(other, lost, heard) <= LONGEST_MS
        ends = other.rows("SELECT id, fence, state FROM tasks ORDER BY id")
        attempts = other.rows("SELECT COUNT(*) FROM attempts")
        link.thaw()
        heard_again(other, lost)
        assert other.rows("SELECT id, fence, state FROM tasks ORDER BY id") == ends
        assert other.rows("SELECT COUNT(*) FROM attempts") == attempts
        assert {row[2] for row in ends} == {"succeeded"}
        again = other.submit_many(20)
        other.wait_for(*again)
        cut_off.check(may_overlap=True)
        cut_off.daemon.stop(within=60)


def test_what_a_cut_off_node_has_in_hand_does_not_start_when_its_lease_may_end(
    install: MakeInstallation, neighbour: Neighbour, emptied_postgres: str
) -> None:
    with link_to(emptied_postgres) as (link, over_link):
        cut_off = install(POSTGRES, database_url=over_link, direct_url=emptied_postgres, workers=2)
        other = neighbour(cut_off, database_url=emptied_postgres, workers=4)
        cut_off.daemon.start()
        lost, door = cut_off.daemon.node, cut_off.home / "door"
        # Among tasks this short, more are claimed than there are workers: those that it has in hand.
        cut_off.submit_many(3_000)
        cut_off.witness.wait_for_starts(500)
        long = cut_off.submit_many(2, "until_file", until=str(door), options={"priority": "urgent"})
        cut_off.witness.wait_for(lambda: all(cut_off.witness.starts(each) for each in long), "the long ones")
        in_hand = wait_until(lambda: waiting_for_workers(cut_off, lost), describing="tasks in hand")
        link.freeze()
        wait_until(lambda: silent_since(other, lost, DISTRUSTED_MS), within=60, describing="a long silence")
        begun = len(cut_off.witness.starts())
        door.touch()
        cut_off.witness.wait_for(lambda: all(cut_off.witness.ends(each) for each in long), "free workers")
        other.daemon.start()
        other.wait_until_done(within=TAKEN_OVER)
        assert in_hand <= {each.task for each in cut_off.witness.starts()[begun:]}
        assert cut_off.daemon.pid not in {each.pid for each in cut_off.witness.starts()[begun:]}
        states = other.rows("SELECT id, fence, state, attempt, node FROM tasks ORDER BY id")
        attempts = other.rows("SELECT * FROM attempts ORDER BY task_id, fence")
        link.thaw()
        heard_again(other, lost)
        assert other.rows("SELECT id, fence, state, attempt, node FROM tasks ORDER BY id") == states
        assert other.rows("SELECT * FROM attempts ORDER BY task_id, fence") == attempts
        cut_off.check(may_overlap=True)
        cut_off.daemon.stop(within=60)


def waiting_for_workers(site: Installation, node: str) -> set[int]:
    """Return the tasks that a node has claimed and not started."""
    claimed = site.rows("SELECT id FROM tasks WHERE node = %s AND state = 'running'", node)
    return {task for (task,) in claimed} - {each.task for each in site.witness.starts()}


def heard_again(site: Installation, node: str) -> None:
    """Wait until a node that was taken for dead is among the living again."""
    wait_until(
        lambda: node in {each.id for each in site.monitor.get_realtime_status().nodes if each.alive},
        within=60,
        describing="the lost node to be heard of again",
    )


def test_a_halted_node_that_goes_on_too_late_changes_nothing(
    install: MakeInstallation, neighbour: Neighbour
) -> None:
    halted = install(POSTGRES_REDIS, workers=2)
    other = neighbour(halted, workers=2)
    halted.daemon.start()
    tasks = working(halted, 2)
    other.daemon.start()
    lost = halted.daemon.node
    halted.daemon.send(signal.SIGSTOP)
    heard = heard_of(other, lost)
    halted.witness.wait_for_starts(4, within=TAKEN_OVER)
    (halted.home / "door").touch()
    other.wait_for(*tasks)
    assert taken_over_after(other, lost, heard) <= LONGEST_MS
    ends = other.rows("SELECT id, fence, state, attempt FROM tasks ORDER BY id")
    halted.daemon.send(signal.SIGCONT)
    other.wait_for(*other.submit_many(20))
    assert (
        other.rows("SELECT id, fence, state, attempt FROM tasks WHERE id <= %s ORDER BY id", max(tasks))
        == ends
    )
    assert halted.daemon.stop(within=60) == 0
    halted.check(may_overlap=True)
