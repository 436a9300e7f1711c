"""The lock of a home, which lives as long as the process that holds it, and the pid file of its daemon."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from queuectl.clock import now_ms
from queuectl.errors import DaemonRunningError, RefusedError, StorageError
from queuectl.operations.local_daemon import birth_of
from queuectl.operations.opening import make_folder
from queuectl.settings import Settings

_TRIES = 10
_TRY_SECONDS = 0.05


class HomeLock:
    """Hold the home, and the database file if there is one, for one daemon, or for work that no daemon may see.

    The kernel frees both when the process ends, however it ends.
    """

    def __init__(self, home: Path, database_url: str) -> None:
        self._folder = home / "run"
        self._files = [self._folder / "daemon.lock"]
        if database_url.startswith("sqlite:"):
            database = Path(database_url.removeprefix("sqlite:///")).resolve()
            self._files.append(database.with_name(database.name + ".daemon-lock"))
        self._descriptors: list[int] = []
        self._is_announced = self._has_left = False
        self.predecessor: str | None = None

    @property
    def pid_file(self) -> Path:
        """Where the running daemon says who it is."""
        return self._folder / "queuectld.pid"

    def take(self) -> None:
        """Take the home, and learn which node used it before without having said goodbye.

        Raises:
            DaemonRunningError: another daemon has it.
            StorageError: the folder cannot be written.
        """
        for file in self._files:
            self._descriptors.append(self._lock(file))
        self.predecessor = self._described().get("node")

    def announce(self, node: str) -> None:
        """Write the pid file: the daemon is ready."""
        pid = os.getpid()
        text = json.dumps({"pid": pid, "node": node, "started_at": now_ms(), "born": birth_of(pid)})
        temporary = self.pid_file.with_suffix(".tmp")
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(self.pid_file)
        self._is_announced = True

    def leave(self) -> None:
        """Say that this daemon has left nothing behind, so that nobody needs to know of it any more."""
        self._has_left = True

    def free(self) -> None:
        """Give the home back.

        Its last user is forgotten only if this daemon got as far as to be ready and has left nothing behind.
        """
        if self._is_announced and self._has_left:
            self.pid_file.unlink(missing_ok=True)
        for descriptor in self._descriptors:
            os.close(descriptor)
        self._descriptors.clear()

    def _lock(self, file: Path) -> int:
        make_folder(file.parent)
        try:
            descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StorageError(
                f"{file.parent} cannot be written: {error.strerror}",
                hint="choose another home with --home, or correct its permissions",
            ) from error
        if not _flock(descriptor):
            os.close(descriptor)
            pid = self._described().get("pid")
            raise DaemonRunningError(
                f"a daemon{f' (pid {pid})' if pid else ''} already uses {file.parent}",
                hint="stop it with: queuectl daemon stop, or choose another home with --home",
            )
        return descriptor

    def _described(self) -> dict[str, Any]:
        try:
            said = json.loads(self.pid_file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return said if isinstance(said, dict) else {}


@contextlib.contextmanager
def held(settings: Settings, otherwise: str) -> Iterator[None]:
    """Keep daemons of this home and this database file from starting meanwhile.

    Raises:
        RefusedError: one runs; ``otherwise`` says what that means, such as "nothing was changed".
        StorageError: the folder cannot be written.
    """
    lock = HomeLock(settings.home, settings.database_url)
    try:
        lock.take()
        yield
    except DaemonRunningError as error:
        raise RefusedError(
            f"{otherwise}: {error.message}", hint="stop it with: queuectl daemon stop"
        ) from error
    finally:
        lock.free()


def _flock(descriptor: int) -> bool:
    """Try to lock a file, a few times: whoever asks whether a daemon runs holds the lock for a moment."""
    for _ in range(_TRIES):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            threading.Event().wait(_TRY_SECONDS)
        else:
            return True
    return False
