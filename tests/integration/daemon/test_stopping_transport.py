"""A transport that is to pop nothing more: what it pops at that moment arrives first, and nothing afterwards."""

from __future__ import annotations

import threading

import redis

from queuectl.domain.priority import QUEUES
from queuectl_daemon.transport import RedisTransport
from tests.support.waiting import wait_until

ROOMS = dict.fromkeys(QUEUES, 10)


def test_the_end_of_popping_waits_for_what_is_on_its_way(redis_url: str) -> None:
    server = redis.Redis.from_url(redis_url)
    server.rpush("queuectl:medium_priority", "1.1", "2.1")
    arriving, may_arrive, came = threading.Event(), threading.Event(), list[tuple[int, int]]()

    def take(messages: list[tuple[int, int]]) -> None:
        arriving.set()
        assert may_arrive.wait(10)
        came.extend(messages)

    transport = RedisTransport(
        redis_url, "queuectl", on_messages=take, on_lost=lambda: None, on_switch=lambda up: None
    )
    assert transport.connect()
    transport.start()
    transport.invite(ROOMS)
    assert arriving.wait(10)
    ending = threading.Thread(target=transport.end_popping)
    ending.start()
    ending.join(0.1)
    assert ending.is_alive(), "it did not wait for what had been popped"
    may_arrive.set()
    ending.join(10)
    assert came == [(1, 1), (2, 1)]

    server.rpush("queuectl:medium_priority", "3.1")
    transport.invite(ROOMS)
    wait_until(
        lambda: transport.listed["medium_priority"] == 1, describing="an exchange that saw the message"
    )
    transport.stop()
    assert server.lrange("queuectl:medium_priority", 0, -1) == [b"3.1"]
    assert len(came) == 2
    server.close()
