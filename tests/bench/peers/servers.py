"""The servers that everybody shares, with the durable settings named, and the places of the contenders on them."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.bench.peers.contenders import Contender
from tests.bench.peers.serving import DURABLE, FAST, PREFIX
from tests.bench.peers.work import WITNESS
from tests.bench.stage import ROOT
from tests.support.guard import guard
from tests.support.postgres import PostgresServer
from tests.support.redis import Fsync, RedisServer

SLOTS = 8
_KEPT = ("PATH", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH")


@dataclass(frozen=True, slots=True)
class Seat:
    """A contender's place: a folder that goes with it, and the environment that says where everything is."""

    folder: Path
    environment: Mapping[str, str]
    redis: RedisServer | None


class Servers:
    """Redis that keeps nothing and Redis that does, PostgreSQL that waits for the disk and one that does not."""

    def __init__(self, appendfsync: Fsync = "always") -> None:
        self._appendfsync: Fsync = appendfsync
        self._cleanup = contextlib.ExitStack()
        self._redis: dict[str, RedisServer] = {}
        self._postgres: dict[str, PostgresServer] = {}

    def __enter__(self) -> Servers:
        return self

    def __exit__(self, *_: object) -> None:
        self._cleanup.close()

    def described(self) -> dict[str, str]:
        """Return what fast and durable mean here."""
        return {
            FAST: "Redis: appendonly no; PostgreSQL: fsync on, synchronous_commit off",
            DURABLE: f"Redis: appendonly yes, appendfsync {self._appendfsync}; PostgreSQL: fsync on,"
            " synchronous_commit on, full_page_writes on; SQLite: WAL, synchronous full",
            "queuectl": "durable, and its Redis keeps nothing",
        }

    @contextlib.contextmanager
    def seat(self, contender: Contender, *, own_redis: bool = False) -> Iterator[Seat]:
        """Give a contender an empty place; with ``own_redis`` a Redis that nobody shares."""
        with contextlib.ExitStack() as stack:
            folder = guard.new_folder()
            stack.callback(guard.remove_folder, folder)
            redis = None
            said = {"SETTINGS": contender.settings, "VARIANT": contender.variant, "SLOTS": str(SLOTS)}
            if contender.redis:
                # Nothing of queuectl depends on Redis, so it keeps nothing there.
                level = FAST if contender.is_queuectl else contender.settings
                redis = stack.enter_context(self._new_redis(level)) if own_redis else self._redis_of(level)
                said["REDIS"] = redis.fresh_url()
            if contender.postgres:
                server = self._postgres_of(contender.settings)
                name = server.create_database()
                stack.callback(server.drop_database, name)
                said["POSTGRES"] = server.url(name)
            environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
            environment |= {PREFIX + name: value for name, value in said.items()}
            environment |= {
                PREFIX + "FOLDER": str(folder),
                WITNESS: str(folder / "witness"),
                "HOME": str(folder),
                "PYTHONPATH": str(ROOT),
            }
            yield Seat(folder, environment, redis)

    def start(self, contenders: list[Contender]) -> None:
        """Start what these need, so that threads which come later find it."""
        for each in contenders:
            if each.redis:
                self._redis_of(FAST if each.is_queuectl else each.settings)
            if each.postgres:
                self._postgres_of(each.settings)

    def _redis_of(self, level: str) -> RedisServer:
        if level not in self._redis:
            self._redis[level] = self._cleanup.enter_context(self._new_redis(level))
        return self._redis[level]

    def _new_redis(self, level: str) -> RedisServer:
        return RedisServer(persistent=level == DURABLE, appendfsync=self._appendfsync)

    def _postgres_of(self, level: str) -> PostgresServer:
        if level not in self._postgres:
            server = PostgresServer(durable=level == DURABLE, settings={"fsync": "on"})
            self._postgres[level] = self._cleanup.enter_context(server)
        return self._postgres[level]
