"""An import that is killed while it stores leaves nothing behind, and can be done again."""

from __future__ import annotations

import contextlib
import signal
import sqlite3
import subprocess
from pathlib import Path

import peewee

from queuectl.store.database import Database
from tests.support.cli import PROGRAMS, CommandLine
from tests.support.exports import a_file, put, task
from tests.support.factories import all_rows, counts_are_right
from tests.support.guard import guard
from tests.support.waiting import wait_until

MANY = 15_000
WHEN = "2026-11-25T10:00:00.000Z"


def test_an_import_that_is_killed_while_it_stores_leaves_nothing_behind(
    home: Path, database: Database
) -> None:
    batch = {"batch": {"id": 1, "created_at": WHEN, "name": "b"}}
    queue = {"queue": {"name": "low", "paused": True}}
    file = put(home, a_file([queue, batch, *(task(number, batch=1) for number in range(1, MANY + 1))]))
    cli = CommandLine(home)
    cli.variables["DATABASE_URL"] = database.url
    process = subprocess.Popen(
        [str(PROGRAMS / "queuectl"), "import", str(file), "--yes"],
        env=cli.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    guard.watch(process.pid, signal.SIGKILL)
    wait_until(
        lambda: process.poll() is not None or _is_storing(database), within=60, describing="the storing"
    )
    assert process.poll() is None, "the import was done before it could be killed"
    process.kill()
    process.wait()
    guard.release(process.pid)

    for table in ("tasks", "task_urls", "batches"):
        assert all_rows(database, table) == []
    assert not [row for row in all_rows(database, "queues") if row["paused"]]
    assert counts_are_right(database)

    assert cli("import", file, "--yes", "--json").ok().document["tasks"] == MANY
    assert len(all_rows(database, "tasks")) == MANY
    assert counts_are_right(database)


def _is_storing(database: Database) -> bool:
    """Tell whether somebody has written to the tasks in a transaction that goes on."""
    if database.engine == "sqlite":
        with contextlib.closing(sqlite3.connect(database.url.removeprefix("sqlite:///"), timeout=0)) as file:
            file.isolation_level = None
            try:
                file.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError:
                return True
            return False
    with database.reading() as transaction, contextlib.suppress(peewee.ProgrammingError):
        rows = transaction.rows(
            "SELECT COUNT(*) FROM pg_locks WHERE relation = 'tasks'::regclass AND mode = 'RowExclusiveLock'"
        )
        return bool(rows[0][0])
    return False
