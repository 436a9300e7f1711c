"""Two daemons that share the work are killed, halted and stopped at random, and so is their Redis."""

from __future__ import annotations

import signal
from collections.abc import Callable

import pytest

from tests.support.chance import chooser, let_pass, rounds
from tests.support.daemon import POSTGRES_REDIS, Installation, MakeInstallation
from tests.support.load import Load
from tests.support.redis import RedisServer

ROUNDS = rounds(10)


@pytest.mark.timeout(120 + 6 * ROUNDS)
def test_nothing_is_lost_between_two_daemons(
    install: MakeInstallation,
    neighbour: Callable[..., Installation],
    own_redis: Callable[..., RedisServer],
) -> None:
    chance = chooser()
    redis = own_redis()
    site = install(POSTGRES_REDIS, redis_url=redis.url, workers=3, grace_period=0.2, max_retries=20)
    other = neighbour(site, grace_period=0.2, max_retries=20)
    daemons = [site.daemon, other.daemon]
    for daemon in daemons:
        daemon.start()
    with Load(site, handlers=("work", "work", "p_work"), pause=0.01, seconds=0.02):
        for _ in range(ROUNDS):
            daemon = chance.choice(daemons)
            match chance.choice(["kill", "kill", "stop", "halt", "flush", "cut"]):
                case "kill":
                    daemon.kill()
                    let_pass(chance.uniform(0, 0.5))
                    daemon.start(ready=chance.random() < 0.7)
                case "stop":
                    daemon.wait_until_ready()
                    assert daemon.stop() == 0
                    daemon.start()
                case "halt":
                    daemon.send(signal.SIGSTOP)
                    let_pass(chance.uniform(0, 1.5))
                    daemon.send(signal.SIGCONT)
                case "flush":
                    redis.flush()
                case _:
                    redis.command("CLIENT KILL TYPE normal SKIPME yes")
            let_pass(chance.uniform(0, 0.4))
    site.wait_until_done(within=60)
    accounts = site.check()
    assert {row["state"] for row in accounts.tasks.values()} <= {"succeeded", "dead"}
    assert not [row for row in accounts.letters if row["cause"] != "crashed"]
