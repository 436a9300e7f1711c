"""A daemon that is told to stop: in order, at once when told twice, and in the middle of everything."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import sys
from collections.abc import Callable

import pexpect
import psutil
import pytest

from queuectl.operations.local_daemon import local_daemon
from tests.support.chance import chooser, let_pass, rounds
from tests.support.daemon import KINDS, POSTGRES_REDIS, SQLITE, Installation, MakeInstallation
from tests.support.guard import guard
from tests.support.load import Load
from tests.support.processes import is_gone
from tests.support.waiting import wait_until

ROUNDS = rounds(6)


@pytest.mark.parametrize("kind", KINDS)
def test_an_idle_daemon_stops_at_once(install: MakeInstallation, kind: str) -> None:
    site = install(kind)
    site.daemon.start()
    assert site.daemon.stop() == 0
    assert site.rows("SELECT id FROM nodes") == []
    assert not (site.home / "run" / "queuectld.pid").exists()


def test_an_interrupt_is_an_order_to_stop(install: MakeInstallation) -> None:
    site = install(SQLITE, grace_period=0)
    site.daemon.start()
    task = site.submit("p_stubborn")
    site.witness.wait_for_starts(1)
    assert site.daemon.stop(signal.SIGINT) == 0
    assert (site.task(task).state, site.outcomes(task)) == ("queued", ["interrupted"])


@pytest.mark.parametrize("under_nohup", [False, True])
def test_a_daemon_ends_in_order_with_its_terminal_unless_it_is_to_outlive_it(
    install: MakeInstallation, under_nohup: bool
) -> None:
    site = install(SQLITE, grace_period=0)
    words = ["-m", "queuectl_daemon", "--home", str(site.home), "--log-file", str(site.home / "server.log")]
    child = pexpect.spawn(
        "nohup" if under_nohup else sys.executable,
        [sys.executable, *words] if under_nohup else words,
        cwd=str(site.home),  # nohup leaves a file there
    )
    guard.watch(child.pid, signal.SIGTERM)
    wait_until(lambda: local_daemon(site.home), within=40, describing="the daemon to be ready")
    process = psutil.Process(child.pid)
    os.close(child.child_fd)  # what a person does who closes the window
    if under_nohup:
        site.wait_for(site.submit())
        process.send_signal(signal.SIGTERM)
    wait_until(lambda: is_gone(process), within=20, describing="the daemon's end")
    assert site.rows("SELECT id FROM nodes") == [], "it has said goodbye"
    with contextlib.suppress(pexpect.ExceptionPexpect, OSError):
        child.close(force=True)
    guard.release(child.pid)


@pytest.mark.parametrize("kind", KINDS)
def test_running_tasks_may_end_within_the_grace_period(install: MakeInstallation, kind: str) -> None:
    site = install(kind, workers=2, grace_period=20)
    site.daemon.start()
    door = site.home / "door"
    running = [site.submit("until_file", until=str(door)), site.submit("p_until_file", until=str(door))]
    site.witness.wait_for_starts(2)
    waiting = site.submit_many(5)
    site.daemon.send(signal.SIGTERM)
    site.witness.wait_for(lambda: "stopping" in site.daemon.log(), "the daemon to stop")
    door.touch()

    assert site.daemon.wait() == 0

    assert [site.task(task).state for task in running] == ["succeeded", "succeeded"]
    assert [site.task(task).state for task in waiting] == ["queued"] * 5
    assert [site.task(task).attempt for task in waiting] == [0] * 5
    site.daemon.start()
    site.wait_until_done()
    site.check()


@pytest.mark.parametrize("kind", KINDS)
def test_what_still_runs_after_the_grace_period_is_given_back_uncharged(
    install: MakeInstallation, kind: str
) -> None:
    site = install(kind, workers=3, grace_period=0.3, max_retries=0)
    site.daemon.start()
    # In a thread nothing can end a handler by force; it ends with the daemon.
    handlers = ["p_stubborn", "patient"] + ["stubborn"] * (kind == SQLITE)
    tasks = [site.submit(handler) for handler in handlers]
    site.witness.wait_for_starts(len(tasks))

    assert site.daemon.stop() == 0

    for task in tasks:
        assert site.task(task).state == "queued"
        assert site.outcomes(task) == ["interrupted"]
    assert site.rows("SELECT DISTINCT attempt, released, crashes FROM tasks") == [(1, 1, 0)]
    for task in tasks:
        site.manager.cancel_task(task)
    site.check()


@pytest.mark.parametrize(("kind", "trouble"), [(POSTGRES_REDIS, "File too large"), (SQLITE, "a link")])
def test_a_daemon_that_cannot_write_its_feed_leaves_nothing_in_its_name_nevertheless(
    install: MakeInstallation, kind: str, trouble: str
) -> None:
    site = install(kind)
    site.daemon.start()
    feed = site.home / "articles" / "feed.xml"
    if trouble == "a link":
        feed.parent.mkdir()
        feed.symlink_to(site.home / "elsewhere.xml")
    else:  # as on a full disk
        resource.prlimit(site.daemon.pid, resource.RLIMIT_FSIZE, (32 * 1024, resource.RLIM_INFINITY))
    site.wait_for(site.submit("p_keep_article", article={"html": "x" * 50_000}))

    assert site.daemon.stop() == 0

    assert feed.is_symlink() or not feed.exists()
    assert site.rows("SELECT id FROM nodes") == []
    assert not (site.home / "run" / "queuectld.pid").exists(), "the next daemon has nobody to take for dead"
    assert any(
        "could not bring the feed" in line and trouble in line for line in site.daemon.log().splitlines()
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_cuts_the_grace_period_short(
    install: MakeInstallation, number: signal.Signals
) -> None:
    site = install(SQLITE, grace_period=600)
    site.daemon.start()
    task = site.submit("p_stubborn")
    site.witness.wait_for_starts(1)
    site.daemon.send(number)
    site.witness.wait_for(lambda: "stopping" in site.daemon.log(), "the daemon to stop")
    assert site.daemon.running
    assert site.daemon.stop(number) == 0
    assert site.outcomes(task) == ["interrupted"]
    assert site.task(task).state == "queued"


@pytest.mark.timeout(90 + 6 * ROUNDS)
@pytest.mark.parametrize("kind", [SQLITE, POSTGRES_REDIS])
def test_a_daemon_may_be_stopped_and_started_under_load(install: MakeInstallation, kind: str) -> None:
    chance = chooser()
    site = install(kind, grace_period=chance.choice([0, 0.05, 5]))
    with Load(site, handlers=("work", "work", "p_work"), seconds=0.01):
        for _ in range(ROUNDS):
            site.daemon.start()
            let_pass(chance.uniform(0, 0.5))
            assert site.daemon.stop() == 0
            left = site.rows("SELECT COUNT(*) FROM tasks WHERE node IS NOT NULL")
            assert left == [(0,)], "a daemon that stops in order leaves nothing in its name"
    site.daemon.start()
    site.wait_until_done()
    accounts = site.check()
    assert {row["state"] for row in accounts.tasks.values()} == {"succeeded"}
    assert not [row for row in accounts.attempts if row["outcome"] == "crashed"]


@pytest.mark.timeout(90 + 6 * ROUNDS)
def test_what_a_stopping_daemon_had_fetched_is_not_held_up(
    install: MakeInstallation, neighbour: Callable[..., Installation]
) -> None:
    chance = chooser()
    site = install(POSTGRES_REDIS, workers=2)
    other = neighbour(site)
    site.daemon.start()
    other.daemon.start()
    with Load(site, pause=0.003, seconds=0.01):
        for _ in range(ROUNDS):
            let_pass(chance.uniform(0, 0.4))
            assert other.daemon.stop() == 0
            other.daemon.start()
    site.wait_until_done()
    assert site.sent_nothing_again()
    assert other.sent_nothing_again()
    accounts = site.check()
    assert {row["state"] for row in accounts.tasks.values()} == {"succeeded"}
