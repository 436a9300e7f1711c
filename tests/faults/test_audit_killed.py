"""Commands that are killed between their groups, and people who undo while a daemon works."""

from __future__ import annotations

import os
import signal
import subprocess

import pytest

from queuectl.domain.lifecycle import State
from queuectl.domain.selection import Selection
from queuectl.operations.administration import database_check
from queuectl.operations.audit import AuditTrail
from tests.support.chance import chooser, let_pass, rounds
from tests.support.cli import PROGRAMS
from tests.support.daemon import POSTGRES, POSTGRES_REDIS, SQLITE, MakeInstallation
from tests.support.waiting import wait_until

MANY = 9_000
ROUNDS = rounds(2)


@pytest.mark.parametrize("kind", [SQLITE, POSTGRES])
def test_a_killed_command_leaves_a_whole_record_and_can_be_undone(
    install: MakeInstallation, kind: str
) -> None:
    choose = chooser()
    site = install(kind)
    site.submit_many(MANY)
    cancelled = Selection(states=(State.CANCELLED,))
    environment = {**os.environ, "DATABASE_URL": site.settings.database_url}
    killed = 0
    for _ in range(ROUNDS):
        command = [str(PROGRAMS / "queuectl"), "--home", str(site.home), "cancel", "--all", "--yes", "-q"]
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
        wait_until(lambda: site.manager.count_tasks(cancelled), describing="the first group to be cancelled")
        let_pass(choose.random() / 20)
        process.send_signal(signal.SIGKILL)
        killed += process.wait() == -signal.SIGKILL
        with AuditTrail(site.settings) as trail:
            found = trail.verify()
            assert (found.verdict.faults, found.complete) == ([], True)
            summary = trail.operations(limit=1)[0]
        assert summary.things == site.manager.count_tasks(cancelled)
        result = site.manager.undo(summary.first.number)
        assert (result.done, result.anything_left) == (summary.things, False)
        assert all(check.ok for check in database_check(site.settings))
    assert killed, "no command was killed in time"


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
