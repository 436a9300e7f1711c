"""An import that is killed while it stores leaves nothing behind, and can be done again."""

from __future__ import annotations

import contextlib
import signal
import sqlite3
import subprocess
from pathlib import Path
from typing import Any

import peewee
import pytest

from queuectl.store.database import Database
from tests.support.cli import CommandLine
from tests.support.exports import a_file, put, task
from tests.support.factories import all_rows, counts_are_right
from tests.support.waiting import wait_until

MANY = 15_000
TRIES = 5
WHEN = "2026-11-25T10:00:00.000Z"


def test_an_import_that_is_killed_while_it_stores_leaves_nothing_behind(
    home: Path, database: Database
) -> None:
    batch = {"batch": {"id": 1, "created_at": WHEN, "name": "b"}}
    queue = {"queue": {"name": "low", "paused": True}}
    file = put(home, a_file([queue, batch, *(task(number, batch=1) for number in range(1, MANY + 1))]))
    cli = CommandLine(home)
    cli.variables["DATABASE_URL"] = database.url
    before = everything(database)
    for _ in range(TRIES):
        if is_killed_while_it_stores(cli, file, database):
            break
        before = everything(database)  # it was quicker; the next one stores all of it once more
    else:
        pytest.fail(f"{TRIES} imports were done before they could be killed")

    assert everything(database) == before
    assert counts_are_right(database)

    done = cli("import", file, "--yes", "--on-conflict", "new", "--json").ok().document
    assert done["tasks"] == MANY
    assert len(all_rows(database, "tasks")) == len(before["tasks"]) + MANY
    assert counts_are_right(database)


def everything(database: Database) -> dict[str, list[dict[str, Any]]]:
    return {
        table: all_rows(database, table) for table in ("tasks", "task_urls", "batches", "queues", "audit")
    }


def is_killed_while_it_stores(cli: CommandLine, file: Path, database: Database) -> bool:
    """Import a file and kill that while it stores; return False if it was done before."""
    with cli.running(
        *("import", file, "--yes", "--on-conflict", "new"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        wait_until(
            lambda: process.poll() is not None or _is_storing(database), within=60, describing="the storing"
        )
        process.kill()
        return bool(process.wait() == -signal.SIGKILL)


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
