"""The daemon of this home, seen from outside: whether it runs, who it is, and where it writes its log."""

from __future__ import annotations

import fcntl
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path

_SAME_BIRTH_SECONDS = 0.02
"""The kernel counts births in hundredths of a second, and what began soon after the daemon is not the daemon."""
_BETWEEN_CLOCKS_MS = 2_000
"""By so much the kernel's moment of a process's birth may lie behind that of its own clock."""


@dataclass(frozen=True, slots=True)
class LocalDaemon:
    """A running daemon as it announced itself when it was ready; ``started_at`` is UTC milliseconds.

    ``born`` is when its process began, as ``birth_of`` has it; a daemon of a version before does not say it.
    """

    pid: int
    node: str
    started_at: int
    born: float | None


def log_file(home: Path) -> Path:
    """Return where a detached daemon of this home writes its log."""
    return home / "logs" / "queuectld.log"


def local_daemon(home: Path) -> LocalDaemon | None:
    """Return the daemon that runs in this home and is ready, or None.

    The pid file alone proves nothing: it outlives a daemon that was killed. The lock does, because
    the kernel frees it with the process. It is tried only where there is a pid file, so that this
    look cannot get into the way of a daemon that is about to start.
    """
    announced = _announced(home / "run" / "queuectld.pid")
    if announced is None or not is_locked(home) or not _same_process(announced):
        return None
    return announced


def is_locked(home: Path) -> bool:
    """Tell whether a daemon, ready or not, holds the lock of this home."""
    try:
        descriptor = os.open(home / "run" / "daemon.lock", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def has_ended(daemon: LocalDaemon) -> bool:
    """Tell whether the daemon's process is gone; one that waits to be collected by its parent counts as gone."""
    import psutil

    try:
        return psutil.Process(daemon.pid).status() == psutil.STATUS_ZOMBIE or not _same_process(daemon)
    except psutil.Error:
        return True


def _announced(file: Path) -> LocalDaemon | None:
    try:
        said = json.loads(file.read_text(encoding="utf-8"))
        born = said.get("born")
        return LocalDaemon(
            int(said["pid"]),
            str(said["node"]),
            int(said["started_at"]),
            None if born is None else float(born),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def birth_of(pid: int) -> float:
    """Return when a process began, in seconds that do not change when somebody sets the clock.

    Raises:
        psutil.Error: there is no such process.
    """
    import psutil

    # On Linux psutil adds the moment of the boot, which goes along with the clock; elsewhere it tells what was noted.
    boot = psutil.boot_time() if sys.platform == "linux" else 0.0
    return float(psutil.Process(pid).create_time()) - boot


def _same_process(announced: LocalDaemon) -> bool:
    """Tell whether the process that wrote the pid file still has its number, and no other one got it."""
    import psutil

    try:
        if announced.born is None:
            begun_ms = psutil.Process(announced.pid).create_time() * 1000
            return bool(begun_ms <= announced.started_at + _BETWEEN_CLOCKS_MS)
        return abs(birth_of(announced.pid) - announced.born) < _SAME_BIRTH_SECONDS
    except psutil.Error:
        return False
