"""Backups of a working daemon, and backups and restores that are killed or find the disk full."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from queuectl.operations.administration import database_check
from queuectl.operations.backup import backup, inspect
from queuectl.operations.restore import restore
from tests.support.chance import chooser, let_pass, rounds
from tests.support.cli import PROGRAMS, CommandLine
from tests.support.daemon import POSTGRES, POSTGRES_REDIS, SQLITE, Installation, MakeInstallation
from tests.support.load import Load
from tests.support.postgres import programs
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
    """Runs of the command that are killed at any moment."""

    def __init__(self, site: Installation) -> None:
        self._line = CommandLine(site.home)
        self._chance = chooser()
        self.finished = 0

    def run(self, *arguments: str | Path, longest: float) -> None:
        """Start the command and kill it within some seconds, with the programs that it has started."""
        process = subprocess.Popen(
            [str(PROGRAMS / "queuectl"), *map(str, arguments)],
            env=self._line.environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        let_pass(self._chance.uniform(0.15, longest))
        self.finished += process.poll() == 0
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@ENGINES
def test_a_backup_that_is_killed_leaves_the_old_one_or_the_new_one(
    install: MakeInstallation, kind: str, tmp_path: Path
) -> None:
    site, file = install(kind), tmp_path / "backup"
    killed = Killed(site)
    sizes = {0}
    backup(site.settings, file)
    for _ in range(ROUNDS):
        site.submit_many(2_000)
        sizes.add(len(site.accepted))
        killed.run("backup", file, "--yes", longest=1.0)
        assert inspect(file).tasks in sizes
    assert backup(site.settings, file, overwrite=True).manifest.tasks == len(site.accepted)


@ENGINES
def test_a_restore_that_is_killed_leaves_the_old_database_or_the_new_one(
    install: MakeInstallation, kind: str, tmp_path: Path
) -> None:
    site, file = install(kind), tmp_path / "backup"
    killed = Killed(site)
    site.submit_many(4_000)
    backup(site.settings, file)
    site.submit_many(10)
    seen = set()
    for _ in range(ROUNDS):
        killed.run("restore", file, "--yes", longest=1.5)
        checks = database_check(site.settings)
        assert all(check.ok for check in checks), checks
        count = len(site.states())
        seen.add(count)
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
