"""Redis is disposable: it may be flushed, killed, halted or absent, and no task is lost or run twice."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.chance import chooser, let_pass
from tests.support.daemon import POSTGRES_REDIS, SQLITE_REDIS, Installation, MakeInstallation
from tests.support.load import Load
from tests.support.redis import RedisServer
from tests.support.waiting import wait_until

OwnRedis = Callable[..., RedisServer]

BUSY: dict[str, Any] = {"pause": 0.004, "seconds": 0.012}


def crowd(site: Installation, seconds: float) -> None:
    """Keep two workers busy for so long: a task that finds one idle is spared the way through Redis."""
    site.submit_many(round(seconds * 100), seconds=0.02)


def through_redis(site: Installation) -> int:
    """Return how many tasks went through Redis."""
    return int(site.rows("SELECT COUNT(*) FROM tasks WHERE dispatched_at IS NOT NULL")[0][0])


def says(site: Installation, words: str, times: int = 1) -> bool:
    return site.daemon.log().count(words) >= times


def wait_until_up(site: Installation, *, up: bool = True, within: float = 30.0) -> None:
    wait_until(
        lambda: [node.transport_up for node in site.monitor.get_realtime_status().nodes] == [up],
        within=within,
        describing=f"the transport to be {'up' if up else 'down'}",
    )


@pytest.mark.parametrize("kind", [SQLITE_REDIS, POSTGRES_REDIS])
def test_nothing_is_lost_when_redis_is_flushed_again_and_again(
    install: MakeInstallation, own_redis: OwnRedis, kind: str
) -> None:
    redis = own_redis()
    site = install(kind, redis_url=redis.url, workers=2)
    site.daemon.start()
    crowd(site, 6)
    with Load(site, handlers=("work", "work", "p_work"), **BUSY):
        for _ in range(25):
            let_pass(0.2)
            redis.flush()
    site.wait_until_done()
    assert site.sent_nothing_again()
    site.check()
    assert says(site, "Redis lost its data", 5)
    assert through_redis(site) > 30


def test_two_daemons_survive_a_flush_together(
    install: MakeInstallation, neighbour: Callable[..., Installation], own_redis: OwnRedis
) -> None:
    redis = own_redis()
    site = install(POSTGRES_REDIS, redis_url=redis.url, workers=1)
    other = neighbour(site)
    site.daemon.start()
    other.daemon.start()
    with Load(site, **BUSY):
        for _ in range(10):
            let_pass(0.2)
            redis.flush()
    site.wait_until_done()
    assert site.sent_nothing_again()
    assert other.sent_nothing_again()
    site.check()
    assert len({each.pid for each in site.witness.starts()}) == 2


def test_a_redis_that_is_killed_and_comes_back_empty_is_used_again(
    install: MakeInstallation, own_redis: OwnRedis
) -> None:
    redis = own_redis()
    site = install(POSTGRES_REDIS, redis_url=redis.url, workers=2)
    site.daemon.start()
    with Load(site, **BUSY):
        for _ in range(2):
            site.witness.wait_for_starts(len(site.witness.starts()) + 50)
            redis.kill()
            wait_until_up(site, up=False)
            # Without Redis the work goes on.
            site.witness.wait_for_starts(len(site.witness.starts()) + 50)
            redis.start()
            wait_until_up(site)
    site.wait_until_done()
    site.check()


def test_a_redis_that_is_absent_at_the_start_is_used_when_it_appears(
    install: MakeInstallation, own_redis: OwnRedis
) -> None:
    redis = own_redis()
    redis.stop()
    site = install(POSTGRES_REDIS, redis_url=redis.url, workers=2)
    site.daemon.start()
    site.wait_for(*site.submit_many(10), site.submit("p_work"))
    wait_until_up(site, up=False)
    assert site.daemon.log().count("does not answer") == 1

    redis.start()
    wait_until_up(site)
    site.wait_for(*site.submit_many(50))
    site.check()
    assert site.rows("SELECT COUNT(*) FROM tasks WHERE dispatched_at IS NOT NULL")[0][0] >= 10


@pytest.mark.parametrize("how", ["SIGSTOP", "CLIENT PAUSE"])
def test_a_redis_that_halts_for_three_seconds_holds_nothing_up(
    install: MakeInstallation, own_redis: OwnRedis, how: str
) -> None:
    redis = own_redis()
    site = install(POSTGRES_REDIS, redis_url=redis.url, workers=2)
    site.daemon.start()
    crowd(site, 2)
    with Load(site, **BUSY):
        site.witness.wait_for_starts(50)
        assert redis.pid is not None
        if how == "SIGSTOP":
            os.kill(redis.pid, signal.SIGSTOP)
        else:
            redis.command("CLIENT PAUSE 3000 ALL")
        wait_until_up(site, up=False)
        site.witness.wait_for_starts(len(site.witness.starts()) + 50)
        if how == "SIGSTOP":
            os.kill(redis.pid, signal.SIGCONT)
        wait_until_up(site)
    site.wait_until_done()
    assert site.sent_nothing_again()
    site.check()
    assert through_redis(site) > 10


def test_cut_connections_to_redis_hold_nothing_up(install: MakeInstallation, own_redis: OwnRedis) -> None:
    chance = chooser()
    redis = own_redis()
    site = install(POSTGRES_REDIS, redis_url=redis.url, workers=2)
    site.daemon.start()
    crowd(site, 4)
    with Load(site, **BUSY):
        for _ in range(20):
            let_pass(chance.uniform(0.05, 0.3))
            redis.command("CLIENT KILL TYPE normal SKIPME yes")
    site.wait_until_done()
    assert site.sent_nothing_again()
    site.check()
    assert through_redis(site) > 10
