"""Commands that are killed between their groups, and people who undo while a daemon works."""

from __future__ import annotations

import signal
import subprocess

import pytest

from queuectl.domain.lifecycle import State
from queuectl.domain.selection import Selection
from queuectl.operations.administration import database_check
from queuectl.operations.audit import AuditTrail
from tests.support.chance import chooser, rounds
from tests.support.cli import CommandLine
from tests.support.daemon import POSTGRES, POSTGRES_REDIS, SQLITE, MakeInstallation

MANY = 15_000
UNREAD = 12_000
"""So many names, of 10 bytes each, fit into no pipe."""

ROUNDS = rounds(2)


@pytest.mark.parametrize("kind", [SQLITE, POSTGRES])
def test_a_killed_command_leaves_a_whole_record_and_can_be_undone(
    install: MakeInstallation, kind: str
) -> None:
    chance = chooser()
    site = install(kind)
    site.submit_many(MANY)
    cancelled = Selection(states=(State.CANCELLED,))
    command = CommandLine(site.home)
    for _ in range(ROUNDS):
        with command.running("cancel", "--all", "--yes", stderr=subprocess.DEVNULL) as process:
            assert process.stdout is not None
            # It says every task by its name, and what nobody reads of that keeps it from going through.
            for _ in range(chance.randrange(1, MANY - UNREAD)):
                process.stdout.readline()
            process.kill()
            assert process.wait() == -signal.SIGKILL
        with AuditTrail(site.settings) as trail:
            found = trail.verify()
            assert (found.verdict.faults, found.complete) == ([], True)
            summary = trail.operations(limit=1)[0]
        assert summary.things == site.manager.count_tasks(cancelled)
        result = site.manager.undo(summary.first.number)
        assert (result.done, result.anything_left) == (summary.things, False)
        assert all(check.ok for check in database_check(site.settings))


@pytest.mark.parametrize("kind", [SQLITE, POSTGRES_REDIS])
def test_undoing_while_a_daemon_works_loses_and_doubles_nothing(install: MakeInstallation, kind: str) -> None:
    site = install(kind, workers=4)
    site.submit_many(3_000, "work")
    site.daemon.start()
    waiting = Selection(states=(State.QUEUED, State.DISPATCHED), limit=700)
    number = site.manager.cancel_tasks(waiting).operation
    for _ in range(4):
        if number is not None:
            number = site.manager.undo(number).operation
    if site.manager.count_tasks(Selection(states=(State.CANCELLED,))):
        site.manager.retry_tasks(Selection(states=(State.CANCELLED,)))
    site.wait_until_done()
    site.check()
    with AuditTrail(site.settings) as trail:
        assert trail.verify().verdict.sound
