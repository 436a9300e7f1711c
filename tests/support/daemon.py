"""Real daemons in processes of their own: started, stopped, killed and started again on a home with its settings.

What a daemon wrote to its log is shown when the test that used it fails.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from queuectl.domain.lifecycle import FINAL
from queuectl.domain.task import ArticleTask, Task, task_number
from queuectl.errors import QueuectlError
from queuectl.operations.local_daemon import local_daemon
from queuectl.operations.manager import QueueManager
from queuectl.operations.monitor import Monitor
from queuectl.settings import Settings, load
from queuectl.store.database import Database
from tests.support.forker import ForkedProcess, Forker
from tests.support.guard import guard
from tests.support.ledger import Accounts, check_books
from tests.support.postgres import PostgresServer
from tests.support.processes import start_server
from tests.support.redis import RedisServer
from tests.support.sightings import Witness
from tests.support.waiting import wait_until

SQLITE = "sqlite"
SQLITE_REDIS = "sqlite and redis"
POSTGRES = "postgresql"
POSTGRES_REDIS = "postgresql and redis"
KINDS = (SQLITE, SQLITE_REDIS, POSTGRES, POSTGRES_REDIS)

_THREADS = (
    "work",
    "echo",
    "refuse",
    "ask_for_later",
    "hold_host",
    "until_file",
    "fail_after_file",
    "patient",
    "stubborn",
    "exit_process",
)
_PROCESSES = ("work", "until_file", "patient", "stubborn", "kill_itself", "keep_article")
_IN_LOOP = ("nap", "linger", "swallow", "occupy_loop", "wait_in_thread", "fail")
_SHOWN_LINES = 120


def handler_tables() -> dict[str, dict[str, Any]]:
    """Return the handlers that every installation knows.

    Those in a thread go by their name, those in a process have a ``p_`` before it, those in the event loop an ``a_``.
    """
    in_threads = {
        name: {"callable": f"tests.support.fault_handlers:{name}", "isolation": "thread"} for name in _THREADS
    }
    in_processes = {
        f"p_{name}": {"callable": f"tests.support.fault_handlers:{name}", "isolation": "process"}
        for name in _PROCESSES
    }
    in_loop = {
        f"a_{name}": {"callable": f"tests.support.async_handlers:{name}", "isolation": "async"}
        for name in _IN_LOOP
    }
    return in_threads | in_processes | in_loop


class Daemon:
    """One daemon process of an installation at a time; ``start`` after an end begins another.

    ``module`` is what it is started as, with words of its own. With a forker it is forked from there, which takes
    a third of the time of a fresh interpreter.
    """

    def __init__(self, installation: Installation, forker: Forker | None = None) -> None:
        self.installation = installation
        self._forker = forker
        self._process: subprocess.Popen[bytes] | ForkedProcess | None = None
        self.module: tuple[str, ...] = ("queuectl_daemon",)

    @property
    def pid(self) -> int:
        """The process id of the daemon that runs."""
        assert self._process is not None, "no daemon was started"
        return self._process.pid

    @property
    def node(self) -> str:
        """The node id of the daemon that runs."""
        found = local_daemon(self.installation.home)
        assert found is not None, f"no daemon is ready:\n{self.log()}"
        return found.node

    @property
    def running(self) -> bool:
        """Whether the process lives."""
        return self._process is not None and self._process.poll() is None

    def start(self, *, ready: bool = True, within: float = 40.0) -> Daemon:
        """Start the daemon and, unless told otherwise, return when it is ready."""
        assert not self.running, "a daemon runs already"
        home = self.installation.home
        if self._forker is not None:
            self._process = self._forker.daemon(home)
        else:
            command = [sys.executable, "-m", *self.module, "--home", str(home)]
            self._process = start_server(command, folder=home)
        if ready:
            self.wait_until_ready(within=within)
        return self

    def wait_until_ready(self, *, within: float = 40.0) -> None:
        """Wait until the daemon has announced itself.

        Raises:
            AssertionError: It ended instead, or took too long.
        """
        wait_until(self._is_ready, within=within, describing="the daemon to be ready")

    def send(self, number: signal.Signals) -> None:
        """Send the daemon a signal."""
        os.kill(self.pid, number)

    def stop(self, number: signal.Signals = signal.SIGTERM, *, within: float = 40.0) -> int:
        """Send a signal and return the exit status."""
        self.send(number)
        return self.wait(within=within)

    def wait(self, *, within: float = 40.0) -> int:
        """Wait for the daemon's end and return its exit status.

        Raises:
            AssertionError: It did not end.
        """
        assert self._process is not None
        try:
            status = self._process.wait(within)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the daemon did not end within {within:g} s:\n{self.log()}") from None
        guard.release(self._process.pid)
        return status

    def kill(self) -> None:
        """Kill the daemon with SIGKILL; what it started may live on for a moment, as in real life."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        guard.release(self._process.pid)

    def close(self) -> None:
        """End the daemon, however it fares."""
        if self._process is None or self._process.poll() is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGCONT)
        self._process.terminate()
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        guard.release(self._process.pid)

    def log(self) -> str:
        """Return the log of all daemons that ran in this home."""
        file = self.installation.home / "server.log"
        return file.read_text(errors="replace") if file.exists() else ""

    @property
    def _status(self) -> int | None:
        return self._process.poll() if self._process is not None else None

    def _is_ready(self) -> bool:
        assert self.running, f"the daemon ended while it started, with {self._status}:\n{self.log()}"
        found = local_daemon(self.installation.home)
        return found is not None and found.pid == self.pid


class Installation:
    """A home with a settings file, its database, and everything a test does with it.

    ``settings`` go into the file; the handlers of ``handler_tables`` are always there. The daemon reaches the
    database by ``database_url``, the test by ``direct_url`` if there is one.
    """

    def __init__(
        self,
        home: Path,
        *,
        database_url: str | None = None,
        redis_url: str | None = None,
        direct_url: str | None = None,
        **settings: Any,
    ) -> None:
        self.home = home
        self.witness = Witness(home / "witness.log")
        self.accepted: list[int] = []
        self.unknown = 0
        values = {"workers": 4, "retry_backoff": 0.05, "retry_backoff_max": 0.2, "grace_period": 10}
        values["web_port"] = 0
        values |= {"database_url": database_url, "redis_url": redis_url} | settings
        self._write(values)
        loaded = load(home=home, environ={}).settings
        self.settings: Settings = loaded if direct_url is None else replace(loaded, database_url=direct_url)
        self.daemon = Daemon(self)
        self._manager: QueueManager | None = None

    def beside(self, **settings: Any) -> Installation:
        """Make another home with the same database, Redis and witness, as on another machine."""
        home = guard.new_folder()
        values: dict[str, Any] = {
            "database_url": self.settings.database_url,
            "redis_url": self.settings.redis_url,
            "workers": self.settings.workers,
        }
        other = Installation(home, **(values | settings))
        other.witness, other.accepted = self.witness, self.accepted
        return other

    def read_settings_again(self) -> None:
        """Go by what the settings file says now."""
        self.settings = load(home=self.home, environ={}).settings
        if self._manager is not None:
            self._manager.close()
            self._manager = None

    @property
    def manager(self) -> QueueManager:
        """A manager of this installation, whose daemon need not run."""
        if self._manager is None:
            self._manager = QueueManager(self.settings)
        return self._manager

    @property
    def monitor(self) -> Monitor:
        """A monitor of this installation."""
        return Monitor(self.settings)

    def submit(self, handler: str = "work", *, options: dict[str, Any] | None = None, **metadata: Any) -> int:
        """Submit one task and return its number; ``options`` are arguments of ``submit_task``."""
        name = self.manager.submit_task(
            url=f"http://example.test/{len(self.accepted)}",
            handler=handler,
            metadata={"witness": str(self.witness.path)} | metadata,
            **(options or {}),
        )
        self.accepted.append(task_number(name))
        return self.accepted[-1]

    def submit_many(
        self, count: int, handler: str = "work", *, options: dict[str, Any] | None = None, **metadata: Any
    ) -> list[int]:
        """Submit tasks as one batch and return their numbers; ``options`` are fields of ``ArticleTask``."""
        facts = {"witness": str(self.witness.path)} | metadata
        batch = self.manager.submit_batch(
            ArticleTask(f"http://example.test/{number}", handler=handler, metadata=facts, **(options or {}))
            for number in range(count)
        )
        with self._reading() as rows:
            numbers = [
                number
                for (number,) in rows(
                    "SELECT id FROM tasks WHERE batch_id = %s ORDER BY id",
                    (int(batch.removeprefix("batch_")),),
                )
            ]
        assert len(numbers) == count
        self.accepted += numbers
        return numbers

    def task(self, number: int) -> Task:
        """Return a task with its attempts."""
        return self.manager.get_task(number)

    def outcomes(self, number: int) -> list[str]:
        """Return the outcomes of a task's attempts, in order."""
        return [attempt.outcome for attempt in self.task(number).attempts]

    def states(self) -> dict[int, str]:
        """Return the state of every task."""
        with self._reading() as rows:
            return dict(rows("SELECT id, state FROM tasks"))

    def rows(self, sql: str, *params: object) -> list[tuple[Any, ...]]:
        """Return the rows of a query."""
        with self._reading() as rows:
            return rows(sql, params)

    def write(self, sql: str, *params: object) -> None:
        """Change the database behind everybody's back."""
        database = Database(self.settings.database_url)
        with database.writing() as transaction:
            transaction.execute(sql, params)
        database.close()

    def wait_for(self, *numbers: int, within: float = 30.0) -> list[Task]:
        """Wait until these tasks have ended and return them."""
        self._wait_until_none_is_open(numbers, within)
        return [self.task(number) for number in numbers]

    def wait_until_done(self, *, within: float = 60.0) -> None:
        """Wait until no task is open; a database that does not answer is asked again."""
        self._wait_until_none_is_open(None, within)

    def open_tasks(self, numbers: Iterable[int] | None = None) -> list[tuple[int, str]] | str:
        """Return numbers and states of up to ten tasks that have not ended, or why that is unknown."""
        wanted = None if numbers is None else set(numbers)
        try:
            with self._reading() as rows:
                found = rows("SELECT id, state FROM tasks WHERE finished_at IS NULL ORDER BY id", ())
        except QueuectlError as error:
            return error.message
        return [row for row in found if wanted is None or row[0] in wanted][:10]

    def _wait_until_none_is_open(self, numbers: Iterable[int] | None, within: float) -> None:
        try:
            wait_until(lambda: self.open_tasks(numbers) == [], within=within, describing="the end of tasks")
        except AssertionError as error:
            raise AssertionError(f"{error}; still open: {self.open_tasks(numbers)}") from None

    def sent_nothing_again(self) -> bool:
        """Tell whether no task had to wait for the last resort, by which late messages are sent again."""
        return "that nobody had taken for" not in self.daemon.log()

    def wait_for_state(self, number: int, *states: str, within: float = 20.0) -> Task:
        """Wait until a task is in one of these states, and return it."""
        wait_until(
            lambda: self.task(number).state in states,
            within=within,
            describing=f"task_{number} to be {' or '.join(states)}",
        )
        return self.task(number)

    def check(self, *, may_overlap: bool = False, thawed: Mapping[int, int] | None = None) -> Accounts:
        """Check the books of this installation, in which no task may be open."""
        __tracebackhide__ = True
        return check_books(
            self.settings,
            self.witness,
            self.accepted,
            unknown=self.unknown,
            may_overlap=may_overlap,
            thawed=thawed,
        )

    def close(self) -> None:
        """End the daemon and the connections."""
        self.daemon.close()
        if self._manager is not None:
            self._manager.close()

    @contextlib.contextmanager
    def _reading(self) -> Iterator[Callable[..., list[tuple[Any, ...]]]]:
        database = Database(self.settings.database_url)
        try:
            with database.reading() as transaction:
                yield transaction.rows
        finally:
            database.close()

    def _write(self, values: dict[str, Any]) -> None:
        # A text in JSON is one in TOML as well, as are numbers and lists of both.
        tables = handler_tables() | values.pop("handlers", {})
        queues = values.pop("queues", {})
        lines = [f"{name} = {json.dumps(value)}" for name, value in values.items() if value is not None]
        for kind, named in (("handlers", tables), ("queues", queues)):
            for name, table in named.items():
                lines.append(f"[{kind}.{name}]")
                lines += [f"{key} = {json.dumps(value)}" for key, value in table.items()]
        (self.home / "queuectl.toml").write_text("\n".join(lines) + "\n")
        (self.home / "queuectl.toml").chmod(0o600)


def is_final(task: Task) -> bool:
    """Tell whether a task has ended."""
    return task.state in FINAL


MakeInstallation = Callable[..., Installation]


@pytest.fixture
def install(
    home: Path,
    request: pytest.FixtureRequest,
    own_postgres: Callable[..., PostgresServer],
    own_redis: Callable[..., RedisServer],
) -> Iterator[MakeInstallation]:
    """Give a function that makes installations of a kind; their daemons end with the test.

    The first one lives in ``home``. A server of the test's own, and a database whose schema it changes, go in by
    ``database_url`` or ``redis_url``; the servers outlive the daemons.
    """
    del own_postgres, own_redis  # asked for only so that they end after this
    made: list[Installation] = []

    def make(kind: str = SQLITE, **settings: Any) -> Installation:
        if kind.startswith(POSTGRES) and "database_url" not in settings:
            settings["database_url"] = request.getfixturevalue("emptied_postgres")
        if kind.endswith("redis") and "redis_url" not in settings:
            settings["redis_url"] = request.getfixturevalue("redis_url")
        place = home if not made else guard.new_folder()
        installation = Installation(place, **settings)
        made.append(installation)
        return installation

    yield make
    for installation in made:
        installation.close()
        _show_log(installation)
        guard.remove_folder(installation.home)


@pytest.fixture
def neighbour(install: MakeInstallation) -> Iterator[Callable[..., Installation]]:
    """Give a function that makes another home beside an installation, on the same database."""
    made: list[Installation] = []

    def make(installation: Installation, **settings: Any) -> Installation:
        made.append(installation.beside(**settings))
        return made[-1]

    yield make
    for installation in made:
        installation.close()
        _show_log(installation)
        guard.remove_folder(installation.home)


def _show_log(installation: Installation) -> None:
    """Write the log's end to where pytest shows it if the test has failed."""
    lines = installation.daemon.log().splitlines()[-_SHOWN_LINES:]
    if lines:
        sys.stdout.write(f"the end of the daemon's log in {installation.home}:\n" + "\n".join(lines) + "\n")
