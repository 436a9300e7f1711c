"""Daemons on machines of their own: their links are cut one way and both ways, unplugged and flap, machines freeze."""

from __future__ import annotations

import signal
from collections.abc import Callable

import pytest

from tests.support.chance import chooser, let_pass, rounds
from tests.support.daemon import POSTGRES_REDIS, Installation, MakeInstallation
from tests.support.load import Load
from tests.support.network import Machine, Network
from tests.support.takeover import LONGEST_MS, taken_over_after
from tests.support.waiting import wait_until

ROUNDS = rounds(8)
Site = tuple[Installation, Machine]


@pytest.fixture
def machines(
    network: Network, install: MakeInstallation, neighbour: Callable[..., Installation]
) -> Callable[..., list[Site]]:
    """Give a function that makes installations on so many machines of one network, and starts their daemons."""

    def make(count: int, **settings: object) -> list[Site]:
        made: list[Site] = []
        for _ in range(count):
            machine = network.machine()
            places = {
                "database_url": machine.database_url,
                "redis_url": machine.redis_url,
                "direct_url": network.direct_url,
            }
            site = (
                neighbour(made[0][0], **places, **settings)
                if made
                else install(POSTGRES_REDIS, **places, **settings)
            )
            made.append((site, machine))
            with machine.inside():
                site.daemon.start()
        return made

    return make


def wait_until_silent(site: Installation, node: str) -> int:
    """Wait until a node has said nothing for a while, and return when it was heard of last."""
    seen: list[int] = []

    def is_silent() -> bool:
        ((heard,),) = site.rows("SELECT heartbeat_at FROM nodes WHERE id = %s", node)
        seen.append(int(heard))
        return len(seen) > 60 and len(set(seen[-60:])) == 1

    wait_until(is_silent, within=60, describing="a silent node")
    return seen[-1]


@pytest.mark.timeout(240)
@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("how", ["both ways", "to the server", "to the client", "unplugged"])
def test_what_a_machine_had_that_nobody_reaches_is_at_work_elsewhere_in_time(
    machines: Callable[..., list[Site]], count: int, how: str
) -> None:
    (site, machine), *others = machines(count, workers=3)
    for other, _ in others:
        other.daemon.send(signal.SIGSTOP)  # so that the tasks are those of the first one
    door = site.home / "door"
    long = site.submit_many(3, "p_until_file", until=str(door))
    site.witness.wait_for_starts(3)
    for other, _ in others:
        other.daemon.send(signal.SIGCONT)
    lost = site.daemon.node
    if how == "unplugged":
        machine.unplug()
    elif how == "both ways":
        machine.cut()
    elif how == "to the server":
        machine.cut("to the server")
    else:
        machine.cut("to the client")
    heard = wait_until_silent(site, lost)
    more = site.submit_many(200)
    site.witness.wait_for(
        lambda: all(len(site.witness.starts(each)) == 2 for each in long), "second starts", within=90
    )
    door.touch()
    site.wait_for(*long, *more, within=60)
    assert taken_over_after(site, lost, heard) <= LONGEST_MS
    ends = site.rows("SELECT id, fence, state, attempt, node FROM tasks ORDER BY id")
    attempts = site.rows("SELECT * FROM attempts ORDER BY task_id, fence")
    machine.mend()
    wait_until(
        lambda: lost in {each.id for each in site.monitor.get_realtime_status().nodes if each.alive},
        within=90,
        describing="the lost node to be heard of again",
    )
    assert site.rows("SELECT id, fence, state, attempt, node FROM tasks ORDER BY id") == ends
    assert site.rows("SELECT * FROM attempts ORDER BY task_id, fence") == attempts
    site.submit_many(100, seconds=0.01)
    site.wait_until_done()
    site.check(may_overlap=True)


@pytest.mark.timeout(180 + 10 * ROUNDS)
def test_nothing_is_lost_where_links_flap_and_machines_freeze(machines: Callable[..., list[Site]]) -> None:
    chance = chooser()
    sites = machines(3, workers=3, grace_period=0.2, max_retries=20)
    first = sites[0][0]
    with Load(first, handlers=("work", "work", "p_work"), pause=0.01, seconds=0.02):
        for _ in range(ROUNDS):
            site, machine = chance.choice(sites)
            match chance.choice(["cut", "one way", "unplug", "flap", "freeze", "kill"]):
                case "cut":
                    machine.cut()
                case "one way":
                    machine.cut(chance.choice(["to the server", "to the client"]))
                case "unplug":
                    machine.unplug()
                case "flap":
                    for _ in range(10):
                        machine.unplug()
                        let_pass(chance.uniform(0, 0.1))
                        machine.mend()
                        let_pass(chance.uniform(0, 0.1))
                case "freeze":
                    site.daemon.send(signal.SIGSTOP)
                    let_pass(chance.uniform(0, 3))
                    site.daemon.send(signal.SIGCONT)
                case _:
                    site.daemon.kill()
                    with machine.inside():
                        site.daemon.start(ready=False)
            let_pass(chance.uniform(0, 3))
            machine.mend()
    first.wait_until_done(within=120)
    accounts = first.check(may_overlap=True)
    assert {row["state"] for row in accounts.tasks.values()} <= {"succeeded", "dead"}
    assert not [row for row in accounts.letters if row["cause"] != "crashed"]
