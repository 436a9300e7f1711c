"""The service manager as a daemon sees it: a datagram socket, and the variables that name it."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.guard import guard
from tests.support.waiting import wait_until


class Manager:
    """Listens like systemd; what a daemon has said is in ``said``, the oldest first."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.said: list[str] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(folder / "notify"))
        self._socket.setblocking(False)
        self._monkeypatch = monkeypatch
        monkeypatch.setenv("NOTIFY_SOCKET", str(folder / "notify"))

    def watch(self, seconds: float, *, pid: int | None = None) -> None:
        """Want a sign of life within so many seconds, from whoever is started next or from this process."""
        self._monkeypatch.setenv("WATCHDOG_USEC", str(round(seconds * 1_000_000)))
        if pid is not None:
            self._monkeypatch.setenv("WATCHDOG_PID", str(pid))

    def wait_for(self, line: str, *, within: float = 30.0) -> None:
        """Wait until this line has been said."""
        wait_until(lambda: self.heard(line), within=within, describing=f"{line} to be said")

    def heard(self, line: str) -> bool:
        """Tell whether this line has been said by now, or one that begins with it if it ends in a star."""
        self._listen()
        if line.endswith("*"):
            return any(each.startswith(line[:-1]) for each in self.said)
        return line in self.said

    def forget(self) -> None:
        """Forget what has been said by now."""
        self._listen()
        self.said.clear()

    def is_silent_of(self, line: str, seconds: float) -> bool:
        """Forget the past, listen for so long, and tell whether a line was not said in that time."""
        self.forget()
        deadline = time.monotonic() + seconds
        wait_until(
            lambda: self.heard(line) or time.monotonic() > deadline, within=seconds + 5, describing="silence"
        )
        return line not in self.said

    def go_deaf(self) -> None:
        """Take in no more until asked what has been said: whoever says something is told that the queue is full."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as noise, contextlib.suppress(BlockingIOError):
            noise.setblocking(False)
            while True:
                noise.sendto(b"noise", self._socket.getsockname())

    def close(self) -> None:
        """Listen no more."""
        self._socket.close()

    def _listen(self) -> None:
        while True:
            try:
                self.said += self._socket.recv(65536).decode().splitlines()
            except BlockingIOError:
                return


@pytest.fixture
def manager(monkeypatch: pytest.MonkeyPatch) -> Iterator[Manager]:
    """Give the service manager of whatever the test starts from now on."""
    folder = guard.new_folder()
    listening = Manager(folder, monkeypatch)
    yield listening
    listening.close()
    guard.remove_folder(folder)


def variables_of(pid: int) -> dict[str, str]:
    """Return the environment that a process was started with."""
    words = Path(f"/proc/{pid}/environ").read_bytes().decode(errors="replace").split("\0")
    return dict(word.split("=", 1) for word in words if "=" in word)
