"""A process with everything loaded that forks daemons and commands from itself, so that thousands of them are cheap.

What is forked runs the code of the real programs from their first line: it has one thread, no connection and no
file of its own yet. Only the imports, which are most of the time that a start takes, have been done before.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import pkgutil
import select
import signal
import socket
import subprocess
import sys
import threading
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from tests.support.guard import guard

_PACKAGES = ("queuectl.cli", "queuectl.operations", "queuectl.store", "queuectl_daemon")
_LATE = ("tests.support.fault_handlers", "tests.support.async_handlers")


class ForkedProcess:
    """A process that a forker has forked; it looks like one of ``subprocess.Popen``."""

    def __init__(self, forker: Forker, pid: int, gate: int | None) -> None:
        self._forker = forker
        self.pid = pid
        self._gate = gate
        self.returncode: int | None = None

    def release(self) -> None:
        """Let a process go on that was forked with ``held``."""
        assert self._gate is not None
        with contextlib.suppress(BrokenPipeError):
            os.write(self._gate, b"x")
        os.close(self._gate)
        self._gate = None

    def poll(self) -> int | None:
        """Return the exit status, negative for a signal, or None while the process lives."""
        if self.returncode is None:
            self.returncode = self._forker.status(self.pid, 0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end and return the exit status.

        Raises:
            subprocess.TimeoutExpired: It did not end.
        """
        if self.returncode is None:
            self.returncode = self._forker.status(self.pid, timeout)
        if self.returncode is None:
            raise subprocess.TimeoutExpired("a forked process", timeout or 0)
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal, unless the process has ended."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        """Send SIGKILL."""
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        """Send SIGTERM."""
        self.send_signal(signal.SIGTERM)


class Forker:
    """The test's end of the process that forks."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        root = str(Path(__file__).resolve().parents[2])
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.forker", str(theirs.fileno())],
            pass_fds=(theirs.fileno(),),
            cwd=root,
            env=os.environ | {"PYTHONHASHSEED": "0"},
            start_new_session=True,
        )
        theirs.close()
        guard.watch(self._process.pid, signal.SIGTERM)
        self._socket = ours
        self._news = threading.Condition()
        self._asking = threading.Lock()
        self._statuses: dict[int, int] = {}
        self._born: list[int] = []
        self._ended = False
        threading.Thread(target=self._listen, name="forker", daemon=True).start()

    def __enter__(self) -> Forker:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the process that forks."""
        self._socket.close()
        self._process.terminate()
        self._process.wait()
        guard.release(self._process.pid)

    def daemon(self, home: Path, *arguments: str) -> ForkedProcess:
        """Fork a daemon for a home; it logs to server.log there, as one of ``start_server`` does."""
        process = self._fork(
            kind="daemon",
            words=["--home", str(home), *arguments],
            folder=str(home),
            out=str(home / "server.log"),
        )
        guard.watch(process.pid, signal.SIGTERM)
        return process

    def command(self, home: Path, words: Sequence[str], out: Path, *, held: bool = False) -> ForkedProcess:
        """Fork a command; what it writes goes to ``out``. A held one waits until ``release`` before it begins."""
        return self._fork(kind="command", words=list(words), folder=str(home), out=str(out), held=held)

    def status(self, pid: int, within: float | None) -> int | None:
        """Return how a process ended, waiting for it for so long; None if it has not."""
        with self._news:
            self._news.wait_for(lambda: pid in self._statuses or self._ended, within)
            return self._statuses.get(pid, -signal.SIGKILL if self._ended else None)

    def _fork(self, *, held: bool = False, **request: Any) -> ForkedProcess:
        with self._asking:
            gate, opened = os.pipe() if held else (-1, -1)
            line = json.dumps(request | {"held": held}).encode() + b"\n"
            socket.send_fds(self._socket, [line], [gate] if held else [])
            if held:
                os.close(gate)
            with self._news:
                assert self._news.wait_for(lambda: self._born or self._ended, 60), "the forker hangs"
                assert self._born, "the forker is gone"
                return ForkedProcess(self, self._born.pop(), opened if held else None)

    def _listen(self) -> None:
        with contextlib.suppress(OSError), self._socket.makefile("r") as lines:
            for line in lines:
                what, pid, *status = line.split()
                with self._news:
                    if what == "born":
                        self._statuses.pop(int(pid), None)  # of a process that had the same number long ago
                        self._born.append(int(pid))
                    else:
                        self._statuses[int(pid)] = int(status[0])
                    self._news.notify_all()
        with self._news:
            self._ended = True
            self._news.notify_all()


def main(descriptor: int) -> None:
    """Load everything and serve requests until the other side is gone."""
    _load_everything()
    bell, clapper = socket.socketpair()
    for end in (bell, clapper):
        end.setblocking(False)
    signal.set_wakeup_fd(clapper.fileno(), warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    with socket.socket(fileno=descriptor) as control:
        while True:
            ready, _, _ = select.select([control, bell], [], [])
            if bell in ready:
                bell.recv(4096)
                _tell_of_ends(control)
            if control in ready:
                data, gates, _, _ = socket.recv_fds(control, 65536, 1)
                if not data:
                    return
                _fork(control, json.loads(data), gates, (bell, clapper))


def _load_everything() -> None:
    for name in _PACKAGES:
        package = importlib.import_module(name)
        for each in pkgutil.walk_packages(package.__path__, f"{name}."):
            if not each.name.endswith("__main__"):
                importlib.import_module(each.name)
    for name in _LATE:
        importlib.import_module(name)
    import queuectl_daemon.__main__  # noqa: F401


def _tell_of_ends(control: socket.socket) -> None:
    with contextlib.suppress(ChildProcessError, OSError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                return
            control.sendall(f"ended {pid} {os.waitstatus_to_exitcode(status)}\n".encode())


def _fork(
    control: socket.socket, request: dict[str, Any], gates: list[int], bells: tuple[socket.socket, ...]
) -> None:
    pid = os.fork()
    if pid:
        for gate in gates:
            os.close(gate)
        control.sendall(f"born {pid}\n".encode())
        return
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for end in (control, *bells):
            end.close()
        _become(request, gates)
    except BaseException:  # noqa: BLE001  told as an interpreter would, which ends here
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(1)


def _become(request: dict[str, Any], gates: list[int]) -> NoReturn:
    os.setsid()
    os.chdir(request["folder"])
    log = os.open(request["out"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(source, target)
    os.close(nothing)
    os.close(log)
    for gate in gates:
        os.read(gate, 1)
        os.close(gate)
    if request["kind"] == "daemon":
        from queuectl_daemon.__main__ import main as program

        sys.argv = ["queuectld", *request["words"]]
        try:
            program()
        except SystemExit as end:
            sys.stderr.flush()
            os._exit(end.code if isinstance(end.code, int) else 1)
    from queuectl.cli.app import main as command

    status = command(request["words"])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    main(int(sys.argv[1]))
