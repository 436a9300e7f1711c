"""Backups of a working daemon, and backups and restores that are killed or find the disk full."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from queuectl.clock import monotonic
from queuectl.operations.administration import database_check
from queuectl.operations.backup import backup, inspect
from queuectl.operations.restore import restore
from tests.support.chance import chooser, let_pass, rounds
from tests.support.cli import PROGRAMS, CommandLine
from tests.support.daemon import POSTGRES, POSTGRES_REDIS, SQLITE, Installation, MakeInstallation
from tests.support.load import Load
from tests.support.postgres import programs
from tests.support.processes import guarded
from tests.support.waiting import wait_until

ROUNDS = rounds(4)
ENGINES = pytest.mark.parametrize("kind", [SQLITE, POSTGRES])


@pytest.fixture(autouse=True)
def its_own_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Use the programs of the server that the tests use; another version's could not read it."""
    monkeypatch.setenv("PATH", f"{programs()}{os.pathsep}{os.environ['PATH']}")


@pytest.mark.parametrize("kind", [SQLITE, POSTGRES_REDIS])
def test_a_backup_of_a_working_daemon_can_be_gone_on_with(
    install: MakeInstallation, kind: str, tmp_path: Path
) -> None:
    site, file = install(kind, workers=4), tmp_path / "backup"
    ending = tmp_path / "end"
    running = site.submit_many(2, "until_file", until=str(ending))
    later = site.submit(options={"publish_at": datetime.now(UTC) + timedelta(days=1)})
    site.daemon.start()
    with Load(site, pause=0.001):
        for number in running:
            site.wait_for_state(number, "running")
        wait_until(lambda: len(site.accepted) > 100, describing="some load")
        before = list(site.accepted)
        report = backup(site.settings, file)
        wait_until(lambda: len(site.accepted) > len(before) + 50, describing="more load")
    assert report.manifest.wrong_counts == ()
    assert report.manifest.tasks >= len(before)
    site.daemon.kill()
    ending.touch()
    _wait_until_forgotten(site)
    restore(site.settings, file)

    assert set(site.states()) >= {*before, later}
    assert {site.states()[number] for number in running} == {"running"}
    assert all(check.ok for check in database_check(site.settings))
    # What ran after the backup was made, but for the restored database, never happened.
    site.witness.path.unlink()
    site.accepted, site.unknown = list(site.states()), 0
    site.manager.cancel_task(later)
    site.daemon.start()
    site.wait_until_done()
    accounts = site.check()
    assert {accounts.tasks[number]["state"] for number in running} == {"succeeded"}
    assert [row["outcome"] for row in accounts.attempts_of(running[0])] == ["crashed", "succeeded"]


def _wait_until_forgotten(site: Installation) -> None:
    """Wait as long as a daemon that was killed counts as living; on SQLite its lock tells at once."""
    site.write("UPDATE nodes SET lease_until = 0")


class Killed:
    """Runs of a command that are killed in the midst of what they do.

    The first one goes through, which tells how long that takes.
    """

    def __init__(self, site: Installation, *arguments: str | Path) -> None:
        self._line = CommandLine(site.home)
        self._arguments = arguments
        self._chance = chooser()
        began = monotonic()
        self._line(*arguments).ok()
        self._longest = monotonic() - began

    def times(self, count: int) -> Iterator[None]:
        """Kill the command so many times, and give way after each run, to look at what it left."""
        tries = killed = 0
        while killed < count:
            tries += 1
            assert tries <= 10 * count, f"only {killed} of {tries} runs were killed before their end"
            if self._is_killed():
                killed += 1
            else:
                self._longest *= 0.8  # the machine has less to do than it had
            yield

    def _is_killed(self) -> bool:
        """Run the command, kill it with the programs that it has started, and tell whether it had not ended."""
        with guarded(
            [PROGRAMS / "queuectl", *self._arguments],
            env=self._line.environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        ) as process:
            let_pass(self._chance.uniform(0.3, 1.0) * self._longest)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            status = process.wait()
        assert status in (0, -signal.SIGKILL)
        return bool(status)


@ENGINES
def test_a_backup_that_is_killed_leaves_the_old_one_or_the_new_one(
    install: MakeInstallation, kind: str, tmp_path: Path
) -> None:
    site, file = install(kind), tmp_path / "backup"
    site.submit_many(2_000)
    sizes = {2_000}
    killed = Killed(site, "backup", file, "--yes")
    for _ in killed.times(ROUNDS):
        assert inspect(file).tasks in sizes
        site.submit_many(2_000)
        sizes.add(len(site.accepted))
    assert backup(site.settings, file, overwrite=True).manifest.tasks == len(site.accepted)


@ENGINES
def test_a_restore_that_is_killed_leaves_the_old_database_or_the_new_one(
    install: MakeInstallation, kind: str, tmp_path: Path
) -> None:
    site, file = install(kind), tmp_path / "backup"
    site.submit_many(4_000)
    backup(site.settings, file)
    killed = Killed(site, "restore", file, "--yes")
    site.submit_many(10)
    for _ in killed.times(ROUNDS):
        checks = database_check(site.settings)
        assert all(check.ok for check in checks), checks
        count = len(site.states())
        assert count in {4_000, 4_010}
        if count == 4_000:
            site.submit_many(10)
    restore(site.settings, file)
    assert len(site.states()) == 4_000
    site.daemon.start()
    site.wait_for(site.submit())


@ENGINES
def test_a_full_disk_leaves_the_old_backup_and_nothing_else(
    install: MakeInstallation, kind: str, tmp_path: Path
) -> None:
    site, file = install(kind), tmp_path / "backup"
    line = CommandLine(site.home)
    backup(site.settings, file)
    old = file.read_bytes()
    site.submit_many(4_000)
    text = line("backup", file, "--yes", before=_small_files(100_000)).error(8)
    assert "free some space" in text or "has space" in text
    assert file.read_bytes() == old
    assert list(tmp_path.iterdir()) == [file]


def test_a_restore_onto_a_full_disk_changes_nothing(install: MakeInstallation, tmp_path: Path) -> None:
    large, site, file = install(SQLITE), install(SQLITE), tmp_path / "backup"
    large.submit_many(4_000)
    backup(large.settings, file)
    site.submit_many(5)
    line = CommandLine(site.home)
    for size in (100_000, 1_000_000):  # too little for the copy that is kept, then for the database's own log
        line("restore", file, "--yes", before=_small_files(size)).error(8)
        assert len(site.states()) == 5
        assert all(check.ok for check in database_check(site.settings))
    line("restore", file, "--yes").ok()
    assert len(site.states()) == 4_000


def _small_files(size: int) -> Callable[[], None]:
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
