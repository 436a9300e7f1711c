"""Nodes whose clocks are wrong, each in its own way: leases and limits go by the database's, and nothing is lost."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support.daemon import POSTGRES, POSTGRES_REDIS, Installation, MakeInstallation
from tests.support.delays import Delays
from tests.support.intervals import moments, shortest_span

Neighbour = Callable[..., Installation]
AHEAD, BEHIND = 25, -25
"""Seconds; further apart than a lease is long."""


@pytest.fixture
def apart(
    install: MakeInstallation, neighbour: Neighbour
) -> Callable[[str], tuple[Installation, Installation]]:
    """Give a function that starts two daemons of a kind, one whose clock is ahead and one whose is behind."""

    def start(kind: str) -> tuple[Installation, Installation]:
        early = install(kind, workers=3)
        late = neighbour(early, workers=3)
        for site, seconds in ((early, AHEAD), (late, BEHIND)):
            site.daemon.module = ("tests.support.wrong_clock", str(seconds))
            site.daemon.start()
        return early, late

    return start


@pytest.mark.timeout(240)
@pytest.mark.parametrize("kind", [POSTGRES, POSTGRES_REDIS])
def test_nodes_with_clocks_apart_take_each_other_for_living_and_stand_in_for_each_other(
    apart: Callable[[str], tuple[Installation, Installation]], kind: str
) -> None:
    early, late = apart(kind)
    for count, options in ((300, {}), (30, {"seconds": 0.05}), (20, {"failing": [1]})):
        early.submit_many(count, **options)
    early.wait_until_done(within=90)
    assert {row["outcome"] for row in early.check().attempts} == {"succeeded", "failed"}
    door = early.home / "door"
    tasks = early.submit_many(3, "p_until_file", until=str(door))
    begun = early.witness.wait_for(
        lambda: all(early.witness.starts(each) for each in tasks), "starts", within=60
    )
    assert begun
    lost = early.daemon.node
    early.daemon.kill()
    early.witness.wait_for(lambda: not _held_by(late, lost), "the end of the lost node", within=90)
    early.witness.wait_for(lambda: _at_work(late) == 3, "all of them at work", within=90)
    door.touch()
    early.wait_until_done(within=60)
    early.check()


@pytest.mark.timeout(240)
def test_a_rate_holds_for_nodes_with_clocks_apart(
    apart: Callable[[str], tuple[Installation, Installation]],
) -> None:
    early, _ = apart(POSTGRES)
    early.manager.update_queue_config("medium", {"rate_limit": "10/s"})
    with Delays() as delays:
        early.submit_many(60, seconds=0.01)
        early.wait_until_done(within=90)
    assert shortest_span(moments(early.witness.starts()), 10) >= 1 - delays.longest
    early.check()


def _held_by(site: Installation, node: str) -> bool:
    return bool(site.rows("SELECT 1 FROM tasks WHERE node = %s LIMIT 1", node))


def _at_work(site: Installation) -> int:
    ((count,),) = site.rows("SELECT COUNT(*) FROM tasks WHERE state = 'running'")
    return int(count)
