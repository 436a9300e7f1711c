"""Faults of the database: the server restarts, dies, cuts and refuses connections; rows and files are locked."""

from __future__ import annotations

import contextlib
import sqlite3
from random import Random
from typing import TYPE_CHECKING

import psycopg2

from tests.support.chance import let_pass

if TYPE_CHECKING:
    from tests.faults.chaos.stage import Stage


def restart(stage: Stage, chance: Random) -> None:
    """Stop the server in one of its ways and start it again."""
    with stage.server_lock:
        server = stage.arena.postgres
        server.stop(chance.choice(("fast", "immediate")))
        let_pass(chance.choice((0.0, 0.0, 1.0)) * chance.random())
        server.start()


def kill(stage: Stage, chance: Random) -> None:
    """Kill the server and start it again."""
    with stage.server_lock:
        server = stage.arena.postgres
        server.kill()
        let_pass(chance.choice((0.0, 0.0, 1.0)) * chance.random())
        server.start()


def terminate(stage: Stage, chance: Random) -> None:
    """End the connections of everybody, or of some."""
    for _ in range(chance.randint(1, 6)):
        share = chance.choice((1.0, 0.5))
        stage.arena.postgres.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            f" WHERE datname = '{stage.database}' AND random() <= {share}"
        )
        let_pass(chance.uniform(0, 0.2))


def crowd(stage: Stage, chance: Random) -> None:
    """Take every connection that is left, and end those that are there."""
    url = stage.arena.postgres.url()
    with contextlib.ExitStack() as taken:
        first = taken.enter_context(contextlib.closing(psycopg2.connect(url)))
        for _ in range(3):  # those that were there come back as soon as there is room
            with contextlib.suppress(psycopg2.OperationalError):
                while True:
                    taken.enter_context(contextlib.closing(psycopg2.connect(url)))
            with first.cursor() as cursor:
                cursor.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s",
                    (stage.database,),
                )
        let_pass(chance.uniform(0.1, 1.0))


def lock_rows(stage: Stage, chance: Random) -> None:
    """Lock tasks, queues and counts in an order of our own, and hold them for a while."""
    for _ in range(chance.randint(1, 6)):
        with (
            contextlib.closing(psycopg2.connect(stage.direct_url)) as connection,
            connection.cursor() as cursor,
        ):
            table = chance.choice(("tasks", "queues", "counters"))
            order = "DESC" if chance.random() < 0.5 else "ASC"
            with contextlib.suppress(psycopg2.Error):
                cursor.execute("SET lock_timeout = '300ms'")
                cursor.execute(f"SELECT 1 FROM {table} ORDER BY 1 {order} LIMIT 50 FOR UPDATE")
                let_pass(chance.uniform(0, 0.3))
                cursor.execute("SELECT 1 FROM tasks ORDER BY random() LIMIT 50 FOR UPDATE")
                let_pass(chance.uniform(0, 0.1))
            connection.rollback()


def lock_file(stage: Stage, chance: Random) -> None:
    """Hold the write lock of the database file."""
    for _ in range(chance.randint(1, 3)):
        file = stage.direct_url.removeprefix("sqlite:///")
        with contextlib.closing(sqlite3.connect(file, timeout=5)) as other:
            other.isolation_level = None
            with contextlib.suppress(sqlite3.OperationalError):
                other.execute("BEGIN IMMEDIATE")
                let_pass(chance.uniform(0.05, 1.0))
                other.execute("ROLLBACK")
        let_pass(chance.uniform(0, 0.1))
