"""One daemon for one home and one database file, for as long as its process lives."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from queuectl.errors import DaemonRunningError, QueuectlError
from queuectl.operations.home_lock import HomeLock
from queuectl.operations.local_daemon import is_locked, local_daemon
from tests.support.engines import sqlite_url

NOWHERE = "postgresql://nobody@nowhere/none"


def test_a_home_is_taken_once(home: Path) -> None:
    first, second = HomeLock(home, NOWHERE), HomeLock(home, NOWHERE)
    first.take()
    assert is_locked(home)
    with pytest.raises(DaemonRunningError):
        second.take()
    first.free()
    assert not is_locked(home)
    second.take()
    second.free()


def test_a_database_file_is_taken_once_by_whatever_name(home: Path) -> None:
    one, two = home / "one", home / "two"
    (home / "data").mkdir()
    (home / "link").symlink_to(home / "data")
    first = HomeLock(one, f"sqlite:///{home}/data/q.db")
    first.take()
    for path in ("data/q.db", "link/q.db", "data/../data/q.db"):
        with pytest.raises(DaemonRunningError):
            HomeLock(two, f"sqlite:///{home}/{path}").take()
    other = HomeLock(home / "three", f"sqlite:///{home}/data/other.db")
    other.take()
    other.free()
    first.free()


def test_a_daemon_says_who_it_is_when_it_is_ready_and_nothing_after(home: Path) -> None:
    lock = HomeLock(home, sqlite_url(home))
    lock.take()
    assert local_daemon(home) is None
    lock.announce("a-node")
    found = local_daemon(home)
    assert found is not None
    assert (found.pid, found.node) == (os.getpid(), "a-node")
    lock.leave()
    lock.free()
    assert not lock.pid_file.exists()
    assert local_daemon(home) is None


def test_only_the_owner_can_enter(home: Path) -> None:
    lock = HomeLock(home / "new", NOWHERE)
    lock.take()
    lock.announce("a-node")
    assert stat.S_IMODE((home / "new" / "run").stat().st_mode) == 0o700
    assert stat.S_IMODE((home / "new" / "run" / "daemon.lock").stat().st_mode) == 0o600
    lock.free()


def test_who_was_here_is_known_until_somebody_has_left_nothing_behind(home: Path) -> None:
    (home / "run").mkdir()
    (home / "run" / "queuectld.pid").write_text(json.dumps({"pid": 1, "node": "the-dead"}))
    failing = HomeLock(home, NOWHERE)
    failing.take()
    assert failing.predecessor == "the-dead"
    failing.free()
    working = HomeLock(home, NOWHERE)
    working.take()
    assert working.predecessor == "the-dead"
    working.announce("the-living")
    working.free()
    after_an_outage = HomeLock(home, NOWHERE)
    after_an_outage.take()
    assert after_an_outage.predecessor == "the-living", "it could not say goodbye"
    after_an_outage.announce("the-last")
    after_an_outage.leave()
    after_an_outage.free()
    later = HomeLock(home, NOWHERE)
    later.take()
    assert later.predecessor is None
    later.free()


@pytest.mark.parametrize("text", ["", "no json", "[]", "null", '{"node": ', "\x00\xff", "{}"])
def test_a_pid_file_with_rubbish_is_nobody(home: Path, text: str) -> None:
    (home / "run").mkdir()
    (home / "run" / "queuectld.pid").write_text(text)
    lock = HomeLock(home, NOWHERE)
    lock.take()
    assert lock.predecessor is None
    assert local_daemon(home) is None
    lock.free()


def test_the_kernel_frees_the_lock_of_a_killed_process(home: Path) -> None:
    program = (
        "import os, signal, sys; from pathlib import Path; from queuectl.operations.home_lock import HomeLock;"
        f" HomeLock(Path(sys.argv[1]), {NOWHERE!r}).take(); os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", program, str(home)], check=False)
    lock = HomeLock(home, NOWHERE)
    lock.take()
    lock.free()


def test_a_home_that_cannot_be_made_is_an_error_with_a_hint(home: Path) -> None:
    (home / "file").write_text("in the way")
    with pytest.raises(QueuectlError) as caught:
        HomeLock(home / "file" / "home", NOWHERE).take()
    assert caught.value.hint
