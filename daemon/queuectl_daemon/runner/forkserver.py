"""The daemon's end of the fork server: starting it, asking it for children, and hearing how they fare."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil

from queuectl.settings import Settings
from queuectl.settings.rules import RULES
from queuectl_daemon.runner import family
from queuectl_daemon.runner.nursery import BORN, REPORT, REQUEST, encode_settings

_PROGRAM = (
    "import sys; sys.path[:] = sys.argv[2:]; "
    "from queuectl_daemon.runner.nursery import main; main(int(sys.argv[1]))"
)
_PATIENCE = 10.0  # seconds for a request to be taken
_LAST_PATIENCE = 6.0  # seconds for the fork server to end its children and itself


@dataclass(frozen=True, slots=True)
class Report:
    """What the fork server says of a child: its process id at birth, its wait status at death."""

    number: int
    is_birth: bool
    value: int


class ForkServer:
    """A running fork server; ``start`` replaces one that has ended."""

    def __init__(self, settings: Settings) -> None:
        self._settings = _without_secrets(settings)
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._buffer = b""
        self._has_left = False
        self._refusal: OSError | None = None
        self._mark = f"{_boot(os.getpid())} {settings.home}"

    @property
    def pid(self) -> int | None:
        """The fork server's process id."""
        return self._process.pid if self._process is not None else None

    @property
    def control(self) -> socket.socket:
        """The socket on which reports arrive.

        Raises:
            OSError: The fork server does not run; raised from what ``stop`` was told.
        """
        if self._control is None:
            raise OSError("the fork server does not run") from self._refusal
        return self._control

    def start(self) -> None:
        """Start the process; it imports what it needs while the caller goes on.

        Raises:
            OSError: The system cannot start another process.
        """
        if self._has_left:
            self._hunt()  # by their mark, which the new one's children will carry too
        ours, theirs = socket.socketpair()
        paths = [entry or str(Path.cwd()) for entry in sys.path]
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _PROGRAM, str(theirs.fileno()), *paths],
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env={**os.environ, family.MARK: self._mark},
                start_new_session=True,
            )
            ours.settimeout(_PATIENCE)
            ours.sendall(encode_settings(self._settings))
        except OSError:
            ours.close()
            raise
        finally:
            theirs.close()
        self._control = ours
        self._buffer = b""

    def adopt(self, settings: Settings) -> None:
        """Give these settings to every child from the next one on; not to be called beside ``fork``."""
        self._settings = _without_secrets(settings)
        data = encode_settings(self._settings)
        with contextlib.suppress(OSError):  # one that is being replaced begins with them
            self.control.sendall(REQUEST.pack(0, 0) + data)

    def fork(self, number: int, sock: socket.socket, output: int, *, warm: bool) -> None:
        """Ask for a child that gets these two descriptors; ``warm`` wants the article handler loaded.

        Raises:
            OSError: The fork server is gone or takes no more requests.
        """
        socket.send_fds(self.control, [REQUEST.pack(number, int(warm))], [sock.fileno(), output])

    def reports(self) -> list[Report] | None:
        """Return what has been reported since; None when the fork server is gone."""
        try:
            data = self.control.recv(4096, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return []
        except OSError:
            return None
        if not data:
            return None
        self._buffer += data
        whole = len(self._buffer) - len(self._buffer) % REPORT.size
        found, self._buffer = self._buffer[:whole], self._buffer[whole:]
        return [Report(number, event == BORN, value) for event, number, value in REPORT.iter_unpack(found)]

    def kill(self) -> None:
        """End a fork server that does not answer; its children end with it."""
        if self._process is not None:
            self._process.kill()

    def stop(self, because: OSError | None = None) -> None:
        """End the fork server and everything below it, and wait until that is done.

        ``because`` is what the system refused, where that is why it cannot run.
        """
        self._refusal = because
        if self._control is not None:
            with contextlib.suppress(OSError):
                self._control.shutdown(socket.SHUT_RDWR)
            self._control.close()
            self._control = None
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGCONT)  # a stopped one could not see the end
            try:
                self._process.wait(_LAST_PATIENCE)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None
        self._hunt()

    def _hunt(self) -> None:
        # What cannot be looked at, for want of a descriptor, is hunted before another one starts, or when the daemon
        # ends, or by the next one.
        self._has_left = not family.end_marked(self._mark.__eq__)

    def end_leftovers(self) -> None:
        """End what an earlier daemon of this home could not end, having been killed with its fork server."""
        home = self._mark.partition(" ")[2]

        def is_left(mark: str) -> bool:
            boot, _, its_home = mark.partition(" ")
            return its_home == home and boot != _boot(int(boot.partition("-")[0] or 0))

        family.end_marked(is_left)


def _without_secrets(settings: Settings) -> Settings:
    """Return what handlers need; they get by without the passwords, so nothing here passes them on."""
    secrets: dict[str, Any] = {name: None for name, rule in RULES.items() if rule.secret}
    return replace(settings, **(secrets | {"database_url": "", "report_schedule": ()}))


def _boot(pid: int) -> str:
    """Return what identifies a process for good: its id and the moment of its start."""
    try:
        return f"{pid}-{psutil.Process(pid).create_time():.2f}"
    except psutil.Error:
        return "gone"
