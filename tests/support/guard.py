"""See that nothing outlives the test process: neither a server nor its folder, however the process ends.

A small program of its own is told what to watch over. When the test process is gone, even by kill -9, it ends
what is left, by process id, and removes the folders. Asking the kernel to signal a child when its parent dies
would not do: that signal comes when the starting *thread* ends, and exists on Linux only.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

_LOOK_EVERY = 0.5  # seconds between looks whether the test process still lives
_PATIENCE = 5.0  # seconds that a process gets for its own way out


class Guard:
    """The test process's end: tells the guarding program what to watch and what is done with."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._program: subprocess.Popen[str] | None = None

    def watch(self, pid: int, ending: signal.Signals = signal.SIGTERM) -> None:
        """Send ``pid`` the signal ``ending``, and SIGKILL 5 s later, should this process die first."""
        self._tell(f"watch {pid} {int(ending)}")

    def release(self, pid: int) -> None:
        """Stop watching ``pid``, whose end has been seen."""
        self._tell(f"release {pid}")

    def new_folder(self) -> Path:
        """Make a folder with mode 0700 and a path short enough for sockets; it goes with this process."""
        short = Path("/tmp")
        base = short if os.access(short, os.W_OK) else Path(tempfile.gettempdir())
        folder = Path(tempfile.mkdtemp(prefix="qt-", dir=base)).resolve()
        self._tell(f"folder {folder}")
        return folder

    def remove_folder(self, folder: Path) -> None:
        """Remove a folder that ``new_folder`` made, or leave what cannot be removed now to the guard."""
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            self._tell(f"forget {folder}")

    def _tell(self, line: str) -> None:
        with self._lock:
            program = self._program or self._start()
            assert program.stdin is not None
            program.stdin.write(line + "\n")
            program.stdin.flush()

    def _start(self) -> subprocess.Popen[str]:
        # Its own session, so that an interrupt from the keyboard does not reach it.
        self._program = subprocess.Popen(
            [sys.executable, "-I", "-S", __file__, str(os.getpid())],
            stdin=subprocess.PIPE,
            text=True,
            start_new_session=True,
            cwd="/",
        )
        atexit.register(self._stop)
        return self._program

    def _stop(self) -> None:
        if self._program is not None:
            self._program.communicate()


guard = Guard()


def main(parent: int) -> None:
    """Follow what the test process tells until it is gone, then end and remove what is left."""
    watched: dict[int, int] = {}
    folders: set[str] = set()
    pending = b""
    while True:
        readable, _, _ = select.select([0], [], [], _LOOK_EVERY)
        if readable:
            chunk = os.read(0, 65536)
            if not chunk:
                break
            *lines, pending = (pending + chunk).split(b"\n")
            for line in lines:
                _note(line.decode(), watched, folders)
        # A child that the test process forked may hold the pipe open, so the pipe alone cannot tell.
        elif os.getppid() != parent:
            break
    _end(watched)
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


def _note(line: str, watched: dict[int, int], folders: set[str]) -> None:
    verb, _, rest = line.partition(" ")
    if verb == "watch":
        pid, ending = rest.split()
        watched[int(pid)] = int(ending)
    elif verb == "release":
        watched.pop(int(rest), None)
    elif verb == "folder":
        folders.add(rest)
    elif verb == "forget":
        folders.discard(rest)


def _end(watched: dict[int, int]) -> None:
    for pid, ending in watched.items():
        _signal(pid, ending)
    deadline = time.monotonic() + _PATIENCE
    while any(_signal(pid, 0) for pid in watched) and time.monotonic() < deadline:
        time.sleep(0.02)
    for pid in watched:
        _signal(pid, signal.SIGKILL)


def _signal(pid: int, number: int) -> bool:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)
        return True
    return False


if __name__ == "__main__":
    main(int(sys.argv[1]))
