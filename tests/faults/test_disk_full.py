"""The disk under a SQLite database is full: the daemon waits, loses nothing, and goes on when there is space."""

from __future__ import annotations

import resource
from collections.abc import Callable

import psutil
import pytest

from tests.support.daemon import SQLITE, Installation, MakeInstallation
from tests.support.waiting import wait_until


@pytest.fixture
def limit_files() -> Callable[[int, int | None], None]:
    """Give a function that lets a process write files up to a size only, as a full disk does; None lifts it."""

    def limit(pid: int, size: int | None) -> None:
        most = resource.RLIM_INFINITY
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (most if size is None else size, most))

    return limit


def _fill_up(site: Installation) -> int:
    """Return a size beyond which the write-ahead log cannot grow; now it has not come that far."""
    log = site.home / "queuectl.db-wal"
    return log.stat().st_size + 64 * 1024


def test_a_daemon_whose_disk_is_full_waits_and_goes_on(
    install: MakeInstallation, limit_files: Callable[[int, int | None], None]
) -> None:
    site = install(SQLITE, workers=4)
    site.daemon.start()
    site.wait_for(*site.submit_many(50))
    limit_files(site.daemon.pid, _fill_up(site))
    site.submit_many(3000, result="x" * 500)
    wait_until(
        lambda: "cannot be used" in site.daemon.log(),
        within=30,
        describing="the daemon to notice the full disk",
    )
    begun = len(site.witness.starts())
    assert psutil.pid_exists(site.daemon.pid)
    assert site.open_tasks()

    limit_files(site.daemon.pid, None)

    site.wait_until_done(within=60)
    assert len(site.witness.starts()) > begun
    site.check()
    assert site.daemon.log().count("cannot be used") == 1
    assert site.daemon.log().count("the database is back") == 1
    assert site.daemon.stop() == 0


def test_a_daemon_may_be_killed_while_its_disk_is_full(
    install: MakeInstallation, limit_files: Callable[[int, int | None], None]
) -> None:
    site = install(SQLITE, workers=4)
    site.daemon.start()
    site.wait_for(*site.submit_many(50))
    limit_files(site.daemon.pid, _fill_up(site))
    site.submit_many(2000, result="x" * 500)
    wait_until(
        lambda: "cannot be used" in site.daemon.log(),
        within=30,
        describing="the daemon to notice the full disk",
    )
    site.daemon.kill()
    site.daemon.start()
    site.wait_until_done(within=60)
    site.check()
