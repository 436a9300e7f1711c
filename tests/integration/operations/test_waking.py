"""Waking daemons comes after the commit: whatever is in its way, the verb is done and says so."""

from __future__ import annotations

import contextlib
import os
import resource
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg2

from queuectl import QueueManager, Settings
from queuectl.store.database import Database
from queuectl.store.migrate import migrate
from queuectl.wakeup import CHANNEL
from tests.support.postgres import PostgresServer
from tests.support.waiting import wait_until

URL = "https://example.com/"


@contextlib.contextmanager
def no_descriptor_free() -> Iterator[None]:
    """Let this process open nothing more: what it has open already stays usable."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest_free = os.open(os.devnull, os.O_RDONLY)
    os.close(lowest_free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_task_is_accepted_where_no_descriptor_is_free_for_the_ring(settings: Settings) -> None:
    with QueueManager(settings) as manager:
        manager.submit_task(URL)  # its connection is open from here on
        with no_descriptor_free():
            assert manager.submit_task(URL) == "task_2"
        assert len(manager.list_tasks()) == 2


def test_a_notice_that_has_to_wait_for_another_denies_no_accepted_task(
    home: Path, own_postgres: Callable[..., PostgresServer]
) -> None:
    server = own_postgres(settings={"synchronous_commit": "local", "synchronous_standby_names": "nobody"})
    name = server.create_database()
    migrate(Database(server.url(name)))
    server.execute(f"ALTER DATABASE {name} SET lock_timeout = '50ms'")
    manager = QueueManager(Settings(home=home, database_url=server.url(name)))
    with _notice_that_hangs(server, name):
        assert manager.submit_task(URL) == "task_1"
    assert [task.id for task in manager.list_tasks()] == [1]
    manager.close()


@contextlib.contextmanager
def _notice_that_hangs(server: PostgresServer, database: str) -> Iterator[None]:
    """Keep the lock that notices are sent under: its holder waits, at its commit, for a standby that there is not."""
    connection = psycopg2.connect(server.url(database))
    with connection.cursor() as cursor:
        cursor.execute("SET synchronous_commit = on")
        cursor.execute("CREATE TABLE written ()")
        cursor.execute(f"NOTIFY {CHANNEL}")
    commit = threading.Thread(target=connection.commit)
    commit.start()
    hanging = "FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
    try:
        wait_until(
            lambda: server.execute(f"SELECT 1 {hanging}") != [], within=30, describing="the commit to wait"
        )
        yield
    finally:
        server.execute(f"SELECT pg_cancel_backend(pid) {hanging}")
        commit.join(30)
        connection.close()
