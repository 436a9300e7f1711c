"""Faults of Redis: killed, flushed, full, blocked, cut, read-only, and old messages that come back."""

from __future__ import annotations

import contextlib
from random import Random
from typing import TYPE_CHECKING, Any

import redis

from tests.support.chance import let_pass

if TYPE_CHECKING:
    from tests.faults.chaos.stage import Stage


def kill(stage: Stage, chance: Random) -> None:
    """Kill it, with all it has, and start it again."""
    server = stage.arena.redis
    with stage.server_lock:
        server.kill()
        let_pass(chance.choice((0.0, 0.2, 1.0)) * chance.random())
        server.start()


def flush(stage: Stage, chance: Random) -> None:
    """Remove everything, several times."""
    for _ in range(chance.randint(1, 6)):
        stage.arena.redis.flush()
        let_pass(chance.uniform(0, 0.2))


def return_old_messages(stage: Stage, chance: Random) -> None:
    """Keep the messages of a moment, and put them back again and again later."""
    with contextlib.closing(redis.Redis.from_url(str(stage.redis_url))) as client:
        kept: list[tuple[Any, list[Any]]] = []
        for _ in range(chance.randint(10, 40)):
            let_pass(0.005)
            found = [key for key in _keys(client) if client.type(key) == b"list"]
            kept += [(key, list(client.lrange(key, 0, -1))) for key in found]
        for key, messages in chance.sample(kept, min(len(kept), 20)):
            if messages:
                client.rpush(key, *messages)
                let_pass(chance.uniform(0, 0.02))


def _keys(client: Any) -> list[Any]:
    return list(client.keys("*"))


def fill_up(stage: Stage, chance: Random) -> None:
    """Let it refuse every write for want of memory."""
    _limited(stage, chance, "noeviction")


def evict(stage: Stage, chance: Random) -> None:
    """Let it throw away keys at random."""
    _limited(stage, chance, "allkeys-random")


def _limited(stage: Stage, chance: Random, policy: str) -> None:
    server = stage.arena.redis
    try:
        server.command(f"CONFIG SET maxmemory-policy {policy}", "CONFIG SET maxmemory 1")
        let_pass(chance.uniform(0.1, 1.0))
    finally:
        server.command("CONFIG SET maxmemory 0", "CONFIG SET maxmemory-policy noeviction")


def block(stage: Stage, chance: Random) -> None:
    """Let it answer nobody for a while."""
    stage.arena.redis.command(f"CLIENT PAUSE {chance.randint(100, 3000)} ALL")


def cut(stage: Stage, chance: Random) -> None:
    """End all connections, several times."""
    for _ in range(chance.randint(1, 10)):
        stage.arena.redis.command("CLIENT KILL TYPE normal SKIPME yes")
        let_pass(chance.uniform(0, 0.1))


def read_only(stage: Stage, chance: Random) -> None:
    """Make it the replica of a server that is not there."""
    server = stage.arena.redis
    try:
        server.command("REPLICAOF 127.0.0.1 1")
        let_pass(chance.uniform(0.1, 1.0))
    finally:
        server.command("REPLICAOF NO ONE")
