"""Messages that are doubled, old, forged or garbage: a daemon runs only what the database says."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator

import pytest
import redis

from queuectl.domain.priority import QUEUES
from tests.support.chance import chooser
from tests.support.daemon import POSTGRES_REDIS, SQLITE_REDIS, Installation, MakeInstallation
from tests.support.load import Load

NAMESPACE = "queuectl"
MEDIUM = f"{NAMESPACE}:medium_priority"


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url) as client:
        yield client


class Meddler(threading.Thread):
    """Copies every message that it catches back into the lists, at once and much later."""

    def __init__(self, client: redis.Redis) -> None:
        super().__init__(name="meddler")
        self._client = client
        self._ended = threading.Event()
        self.pushed = 0

    def __enter__(self) -> Meddler:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self.join()

    def run(self) -> None:
        known: dict[bytes, str] = {}
        while not self._ended.wait(0.02):
            caught = self._catch(known)
            known |= caught
            if self._client.llen(MEDIUM) > 40:
                continue  # many enough; more would only make the daemon slow
            old = list(known.items())
            for body, key in [*caught.items(), *old[:1], *old[len(old) // 2 :][:1], *old[-2:]]:
                self._client.rpush(key, body)
                self.pushed += 1

    def _catch(self, known: dict[bytes, str]) -> dict[bytes, str]:
        keys = [f"{NAMESPACE}:{queue}" for queue in QUEUES]
        lists: list[list[bytes]] = [self._client.lrange(key, 0, -1) for key in keys]  # type: ignore[misc]
        return {
            body: key for key, bodies in zip(keys, lists, strict=True) for body in bodies if body not in known
        }


@pytest.mark.parametrize("kind", [SQLITE_REDIS, POSTGRES_REDIS])
def test_messages_that_come_twice_or_long_after_run_nothing_again(
    install: MakeInstallation, redis_url: str, client: redis.Redis, kind: str
) -> None:
    site = install(kind, redis_url=redis_url, workers=2)
    site.daemon.start()
    with Meddler(client) as meddler:
        with Load(site, handlers=("work", "p_work"), pause=0.004, seconds=0.012):
            site.witness.wait_for_starts(250)
            site.witness.wait_for(lambda: meddler.pushed > 300, "the meddler to have done his worst")
        site.wait_until_done()
    assert meddler.pushed > 100
    site.check()


@pytest.mark.parametrize("kind", [SQLITE_REDIS, POSTGRES_REDIS])
def test_forged_messages_start_nothing_and_hold_nothing_up(
    install: MakeInstallation, redis_url: str, client: redis.Redis, kind: str
) -> None:
    site = install(kind, redis_url=redis_url)
    site.daemon.start()
    paused = site.submit(options={"priority": "low"}, seconds=0)
    site.wait_for(paused)
    site.manager.pause_queue("low")
    waiting = site.submit(options={"priority": "low"})
    forged = [f"{number}.{fence}" for number in (paused, waiting, 10**6, 2**62) for fence in range(4)]
    client.rpush(MEDIUM, *forged)
    client.rpush(f"{NAMESPACE}:low_priority", *forged)

    site.wait_for(*site.submit_many(20))

    assert site.task(waiting).state == "queued"
    site.manager.resume_queue("low")
    site.wait_for(waiting)
    assert site.sent_nothing_again()
    site.check()


GARBAGE = [
    b"",
    b".",
    b"1",
    b"1.",
    b".1",
    b"-1.1",
    b"1.1.1",
    b"\x00\xff\xfe",
    b"99999999999999999999.1",
    b"1.99999999999999999999",
    b"9223372036854775808.1",
    b"1.9223372036854775808",
    b"9223372036854775807.9223372036854775807",
    b"1.2147483648",
    b"0.0",
    b"1e3.1",
    b"9" * 5000 + b".1",
    b"NaN.NaN",
    "１.１".encode(),
    b"1.1; DROP TABLE tasks",
    b'{"id": 1}',
    b"x" * 100_000,
]


@pytest.mark.parametrize("kind", [SQLITE_REDIS, POSTGRES_REDIS])
def test_garbage_in_the_lists_is_thrown_away(
    install: MakeInstallation, redis_url: str, client: redis.Redis, kind: str
) -> None:
    site = install(kind, redis_url=redis_url, workers=2)
    site.daemon.start()
    for garbage in GARBAGE:
        client.rpush(MEDIUM, garbage, garbage)
        site.wait_for(*site.submit_many(3))
    assert "tick has failed" not in site.daemon.log()
    assert site.sent_nothing_again()
    site.check()


def _forged(chance: random.Random) -> bytes:
    """Return bytes that mean nothing, or nearly what a message is."""
    if chance.random() < 0.3:
        return chance.randbytes(chance.randrange(30))
    numbers = [str(chance.choice([0, 1, 2, 7, 2**31, 2**63, 10**30])) for _ in range(chance.randrange(4))]
    text = chance.choice([".", "..", ",", "", " ."]).join(numbers) + chance.choice(
        ["", "", ".", "\n", "\0", "e1"]
    )
    return text.encode()


def test_a_list_full_of_garbage_holds_nothing_up_for_long(
    install: MakeInstallation, redis_url: str, client: redis.Redis
) -> None:
    chance = chooser()
    site = install(POSTGRES_REDIS, redis_url=redis_url, workers=2)
    site.daemon.start()
    for queue in QUEUES:
        client.rpush(f"{NAMESPACE}:{queue}", *(_forged(chance) for _ in range(2000)))
    site.wait_for(*site.submit_many(20))
    assert site.sent_nothing_again()
    site.check()


def test_keys_of_the_wrong_kind_in_redis_stop_nothing(
    install: MakeInstallation, redis_url: str, client: redis.Redis
) -> None:
    site = install(POSTGRES_REDIS, redis_url=redis_url)
    for queue in QUEUES:
        client.set(f"{NAMESPACE}:{queue}", "no list")
    site.daemon.start()
    site.wait_for(*site.submit_many(20))
    client.flushdb()
    client.hset(f"{NAMESPACE}:epoch", "no", "text")
    site.wait_for(*site.submit_many(20))
    client.delete(f"{NAMESPACE}:epoch")
    site.wait_for(*site.submit_many(20))
    assert site.sent_nothing_again()
    site.check()


def test_nothing_of_a_task_but_its_number_is_in_redis(
    install: MakeInstallation, redis_url: str, client: redis.Redis
) -> None:
    site: Installation = install(POSTGRES_REDIS, redis_url=redis_url)
    site.daemon.start()
    site.wait_for(*site.submit_many(50))
    assert site.daemon.stop() == 0
    left = {key: client.type(key) for key in client.keys("*")}
    assert set(left) <= {b"queuectl:epoch"}, left
