"""Handlers' processes and the fork server are killed: their tasks run again, the daemon goes on, nothing is left."""

from __future__ import annotations

import contextlib

import psutil
import pytest

from queuectl.domain.retry import CRASH_LIMIT
from tests.support.chance import chooser, let_pass, rounds
from tests.support.daemon import POSTGRES_REDIS, SQLITE, MakeInstallation
from tests.support.family import descendants, fork_server, handler_processes
from tests.support.load import Load
from tests.support.processes import is_gone
from tests.support.waiting import wait_until

KINDS = [SQLITE, POSTGRES_REDIS]
ROUNDS = rounds(15)


def wait_until_gone(processes: list[psutil.Process], describing: str) -> None:
    wait_until(lambda: all(is_gone(process) for process in processes), within=15, describing=describing)


@pytest.mark.timeout(90 + 4 * ROUNDS)
@pytest.mark.parametrize("kind", KINDS)
def test_killed_handlers_cost_an_attempt_and_no_more(install: MakeInstallation, kind: str) -> None:
    chance = chooser()
    site = install(kind, max_retries=20)
    site.daemon.start()
    killed = 0
    with Load(site, handlers=("p_work",), pause=0.02, seconds=0.03):
        while killed < ROUNDS:
            let_pass(chance.uniform(0, 0.1))
            for process in handler_processes(site.daemon.pid)[:1]:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
                    killed += 1
    site.wait_until_done()
    accounts = site.check()
    crashed = [row for row in accounts.attempts if row["outcome"] == "crashed"]
    assert len(crashed) <= killed
    # Nothing but a third death of the same task's process may end one.
    assert {row["state"] for row in accounts.tasks.values()} <= {"succeeded", "dead"}
    assert len(accounts.letters) <= killed / CRASH_LIMIT
    assert site.daemon.stop() == 0


def test_a_killed_fork_server_is_replaced(install: MakeInstallation) -> None:
    site = install(SQLITE, max_retries=20)
    site.daemon.start()
    with Load(site, handlers=("p_work", "work"), pause=0.02, seconds=0.03):
        for _ in range(3):
            seen = len(site.witness.starts())
            server = fork_server(site.daemon.pid)
            children = handler_processes(site.daemon.pid)
            server.kill()
            site.witness.wait_for_starts(seen + 30)
            wait_until_gone(children, "the end of the killed fork server's children")
    site.wait_until_done()
    site.check()


@pytest.mark.parametrize("kind", KINDS)
def test_no_process_outlives_a_killed_daemon(install: MakeInstallation, kind: str) -> None:
    site = install(kind)
    site.daemon.start()
    tasks = site.submit_many(3, "p_stubborn")
    site.witness.wait_for_starts(3)
    processes = descendants(site.daemon.pid)
    assert len(processes) >= 4
    site.daemon.kill()
    wait_until_gone(processes, "the end of what the daemon had started")
    site.daemon.start()
    site.witness.wait_for_starts(6)
    for task in tasks:
        site.manager.cancel_task(task)
    site.wait_until_done()
    assert [site.outcomes(task) for task in tasks] == [["crashed", "cancelled"]] * 3
    site.check()
    assert site.daemon.stop() == 0
