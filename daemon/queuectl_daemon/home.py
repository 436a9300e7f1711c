"""The home folder of a running daemon: its lock, which lives as long as the process, and its pid file."""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path

from queuectl.clock import now_ms
from queuectl.errors import DaemonRunningError, StorageError


class HomeLock:
    """Hold the home for one daemon; the kernel frees it when the process ends, however it ends."""

    def __init__(self, home: Path) -> None:
        self._folder = home / "run"
        self._descriptor: int | None = None

    @property
    def pid_file(self) -> Path:
        """Where the running daemon says who it is."""
        return self._folder / "queuectld.pid"

    def take(self) -> None:
        """Take the home.

        Raises:
            DaemonRunningError: another daemon has it.
            StorageError: the folder cannot be written.
        """
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor = os.open(self._folder / "daemon.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StorageError(
                f"the home {self._folder.parent} cannot be written: {error.strerror}",
                hint="choose another one with --home, or correct its permissions",
            ) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise DaemonRunningError(
                f"a daemon{self._described()} already uses the home {self._folder.parent}",
                hint="stop it with: queuectl daemon stop, or choose another home with --home",
            ) from None
        self._descriptor = descriptor

    def announce(self, node: str) -> None:
        """Write the pid file: the daemon is ready."""
        text = json.dumps({"pid": os.getpid(), "node": node, "started_at": now_ms()})
        temporary = self.pid_file.with_suffix(".tmp")
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(self.pid_file)

    def free(self) -> None:
        """Give the home back."""
        self.pid_file.unlink(missing_ok=True)
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _described(self) -> str:
        try:
            return f" (pid {json.loads(self.pid_file.read_text(encoding='utf-8'))['pid']})"
        except (OSError, ValueError, KeyError, TypeError):
            return ""
