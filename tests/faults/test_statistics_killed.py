"""Whoever adds up the statistics is killed in the middle of it, again and again: everything counts once."""

from __future__ import annotations

import signal
import subprocess
import sys
from dataclasses import replace

import pytest

from queuectl.domain.lifecycle import Move
from queuectl.operations.adding_up import add_up
from queuectl.operations.statistics import read_statistics
from queuectl.settings import Settings
from queuectl.store import observations, tasks
from queuectl.store.database import Database
from tests.support.chance import chooser, let_pass, rounds
from tests.support.factories import NODE, NOW, ending, finish, new_task, submit

ROUNDS = rounds(8)
_ADD_UP = """
import sys
from pathlib import Path
from queuectl.operations.adding_up import add_up
from queuectl.settings import Settings
from queuectl.store.database import Database

settings = Settings(home=Path(sys.argv[1]), database_url=sys.argv[2])
database = Database(settings.database_url)
print("ready", flush=True)
while True:
    add_up(database, settings, 7)
"""


@pytest.mark.timeout(60 + 8 * ROUNDS)
def test_everything_counts_once_whoever_is_killed(
    database: Database, home: object, database_url: str
) -> None:
    chance = chooser()
    settings = Settings(home=home, database_url=database_url)  # type: ignore[arg-type]
    done = 0
    for round_ in range(ROUNDS):
        adding = [
            subprocess.Popen(
                [sys.executable, "-c", _ADD_UP, str(home), database_url], stdout=subprocess.PIPE, text=True
            )
            for _ in range(2)
        ]
        for process in adding:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for _ in range(chance.randrange(10, 40)):
            done += _work(database, round_ * 1_000 + done)
        let_pass(chance.random() * 0.05)
        for process in adding:
            process.send_signal(signal.SIGKILL)
        for process in adding:
            process.wait(20)
            assert process.stdout is not None
            process.stdout.close()
    for hosts in (100, 1):
        while add_up(database, replace(settings, statistics_hosts=hosts)):
            pass
        for by in ("queue", "host"):
            total = read_statistics(database, settings, NOW - 60_000, NOW + 3_600_000, by=by).total
            assert (total.submitted, total.attempts, total.succeeded) == (done, done, done)
            assert total.runs.count == done
    with database.reading() as transaction:
        assert observations.count(transaction, 1) == 0
        assert transaction.rows("SELECT COUNT(*) FROM tasks") == [(done,)]


def _work(database: Database, number: int) -> int:
    """Let a few tasks come and succeed, and return how many."""
    with database.writing() as transaction:
        submit(transaction, *(new_task(number * 10 + place) for place in range(3)))
    with database.writing() as transaction:
        works, _ = tasks.start(transaction, "medium_priority", 3, node=NODE, now=NOW)
        finish(transaction, [ending(work, Move.SUCCEED) for work in works])
    return 3
