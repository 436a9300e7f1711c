"""The stage of a run: homes, daemons, servers and links, put up for one draw, healed in the end, and taken down."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from time import monotonic
from typing import Any

import psutil

from queuectl.domain.priority import QUEUES
from queuectl.domain.task import ArticleTask
from queuectl.errors import QueuectlError
from queuectl.operations.local_daemon import local_daemon
from queuectl.operations.manager import QueueManager
from queuectl.store.database import Database
from queuectl.store.migrate import migrate
from tests.faults.chaos import clocks
from tests.faults.chaos.draw import Draw
from tests.faults.recording import record_moves
from tests.support import chance as passing
from tests.support.clients import ClientLog
from tests.support.daemon import POSTGRES, Daemon, Installation
from tests.support.forker import Forker
from tests.support.guard import guard
from tests.support.link import Link
from tests.support.postgres import PostgresServer
from tests.support.processes import start_server
from tests.support.redis import RedisServer
from tests.support.sightings import Witness
from tests.support.waiting import wait_until

_HARM = (
    *(
        "block",
        "sleep_in_c",
        "spin",
        "hog",
        "hog_at_once",
        "exit_well",
        "exit_badly",
        "kill_itself",
        "segfault",
    ),
    *("fork_and_stay", "fork_and_go", "fork_and_die", "disturb", "open_files", "print_much", "return_unfit"),
)
_MAY_SUCCEED = frozenset({"fork_and_go", "fork_and_stay", "disturb", "open_files", "print_much"})
"""Each success of another one that does harm would be a lie."""
_SMALL_DISK = "24m"
_LIMITS = {"rate_limit": "25/s", "concurrency": 2}


class Arena:
    """What the runs of one process share: the process that forks, and servers, started when one is needed."""

    def __init__(self) -> None:
        self._stack = contextlib.ExitStack()
        self.forker = self._stack.enter_context(Forker())
        self._postgres: PostgresServer | None = None
        self._redis: RedisServer | None = None
        self._pristine: bytes | None = None

    def close(self) -> None:
        """End all of it."""
        self._stack.close()

    @property
    def postgres(self) -> PostgresServer:
        """A server on which what was committed outlives a kill."""
        if self._postgres is None:
            self._postgres = self._stack.enter_context(PostgresServer(durable=True))
        return self._postgres

    @property
    def redis(self) -> RedisServer:
        """A server that forgets everything when it ends."""
        if self._redis is None:
            self._redis = self._stack.enter_context(RedisServer())
        return self._redis

    def new_database(self) -> str:
        """Make an empty database on PostgreSQL whose changes of states are recorded, and return its name."""
        template = self.postgres.create_template("recorded", _prepared)
        return self.postgres.create_database(template=template)

    def pristine_file(self) -> bytes:
        """Return an empty SQLite database whose changes of states are recorded."""
        if self._pristine is None:
            folder = guard.new_folder()
            _prepared(f"sqlite:///{folder / 'queuectl.db'}")
            self._pristine = (folder / "queuectl.db").read_bytes()
            guard.remove_folder(folder)
        return self._pristine


def _prepared(url: str) -> None:
    database = Database(url)
    migrate(database)
    record_moves(database)
    database.close()


def _unmount(home: Path) -> None:
    subprocess.run(["umount", "-l", home], check=False)


class SteppingDaemon(Daemon):
    """A daemon whose wall clock can be moved; it needs an interpreter of its own."""

    def start(self, *, ready: bool = True, within: float = 40.0) -> Daemon:
        """Start it with the library that moves its clock."""
        assert not self.running
        home = self.installation.home
        words = [f"{name}={value}" for name, value in clocks.variables(home).items()]
        command = ["env", *words, sys.executable, "-m", "queuectl_daemon", "--home", str(home)]
        self._process = start_server(command, folder=home)
        if ready:
            self.wait_until_ready(within=within)
        return self


class Node:
    """A daemon that somebody looks after: one that could not start because a server was away is started again."""

    def __init__(self, site: Installation) -> None:
        self.site = site
        self.lock = threading.RLock()

    @property
    def daemon(self) -> Daemon:
        """The daemon."""
        return self.site.daemon

    def start(self, *, ready: bool = True) -> None:
        """Start the daemon, unless it runs."""
        if not self.daemon.running:
            self.daemon.start(ready=False)
        if ready:
            self.wait_until_ready()

    def wait_until_ready(self, *, within: float = 60.0) -> None:
        """Wait until the daemon is ready, and start it again if it has ended."""
        deadline = monotonic() + within
        while monotonic() < deadline:
            if not self.daemon.running:
                self.daemon.start(ready=False)
            found = local_daemon(self.site.home)
            if found is not None and found.pid == self.daemon.pid:
                return
            passing.let_pass(0.01)
        raise AssertionError(f"no daemon was ready within {within:g} s:\n{self.daemon.log()[-3000:]}")

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int | None:
        """Stop the daemon in order when it is ready; return its exit status, or None if it has ended already."""
        self.wait_until_ready()
        with contextlib.suppress(ProcessLookupError):
            self.daemon.send(number)
        return self.daemon.wait(within=60)


class Stage:
    """Everything of one run."""

    def __init__(self, arena: Arena, draw: Draw) -> None:
        self.arena = arena
        self.draw = draw
        self.client = ClientLog()
        self.batches: list[tuple[str, list[int], int]] = []
        self.numbers: list[int] = []
        self.at_the_end: list[Callable[[], None]] = []
        self.links: list[Link] = []
        self.server_lock = threading.Lock()
        self.let_pass = passing.let_pass
        self._stack = contextlib.ExitStack()
        self.database = ""
        self.redis_url: str | None = None
        self.direct_url = ""
        self.nodes: list[Node] = []
        try:
            self._put_up()
        except BaseException:
            self.close()
            raise

    def _put_up(self) -> None:
        home = self._new_home()
        urls: dict[str, str | None] = {"database_url": None, "redis_url": None}
        if self.draw.kind.startswith(POSTGRES):
            self.database = self.arena.new_database()
            self._stack.callback(self._drop_database)
            urls["database_url"] = self.direct_url = self.arena.postgres.url(self.database)
        else:
            (home / "queuectl.db").write_bytes(self.arena.pristine_file())
            self.direct_url = f"sqlite:///{home / 'queuectl.db'}"
        if self.draw.kind.endswith("redis"):
            urls["redis_url"] = self.redis_url = self.arena.redis.fresh_url()
        if "links" in self.draw.traits:
            urls = {name: self._linked(url) for name, url in urls.items()}
        settings: dict[str, Any] = {
            "workers": 4,
            "grace_period": 2,
            "max_retries": 20,
            "handlers": {
                f"harm_{name}": {"callable": f"tests.support.harmful_handlers:{name}", "isolation": "process"}
                for name in _HARM
            },
        }
        self.site = site = Installation(home, direct_url=self.direct_url, **urls, **settings)
        elsewhere = guard.new_folder()  # where the disk is not full
        self._stack.callback(guard.remove_folder, elsewhere)
        site.witness = Witness(elsewhere / "witness.log")
        self._add(site)
        for _ in range(self.draw.nodes - 1):
            self._add(site.beside(**settings, **urls))
        if self.draw.is_limited:
            site.manager.update_queue_config("low_priority", _LIMITS)
        for node in self.nodes:
            node.start(ready=False)
        for node in self.nodes:
            node.wait_until_ready()

    def _new_home(self) -> Path:
        home = guard.new_folder()
        self._stack.callback(guard.remove_folder, home)
        if "small disk" in self.draw.traits:
            subprocess.run(
                ["mount", "-t", "tmpfs", "-o", f"size={_SMALL_DISK},mode=0700", "tmpfs", home], check=True
            )
            self._stack.callback(_unmount, home)
        return home

    def _linked(self, url: str | None) -> str | None:
        if url is None:
            return None
        port = int(url.partition("127.0.0.1:")[2].partition("/")[0])
        link = self._stack.enter_context(Link(port))
        self.links.append(link)
        return url.replace(f"127.0.0.1:{port}", f"127.0.0.1:{link.port}")

    def _add(self, site: Installation) -> None:
        steps = "clocks" in self.draw.traits
        site.daemon = SteppingDaemon(site) if steps else Daemon(site, self.arena.forker)
        self.nodes.append(Node(site))
        self._stack.callback(site.close)

    def submit_some(
        self, count: int, handler: str = "work", *, options: dict[str, Any] | None = None, **facts: Any
    ) -> None:
        """Submit a few tasks of a kind; those that do harm tell no witness."""
        if not handler.startswith("harm_"):
            facts["witness"] = str(self.site.witness.path)
        with QueueManager(self.site.settings) as manager:
            url = f"http://some.test/{handler}/{len(self.client.rows)}"
            tasks = [
                ArticleTask(f"{url}/{number}", handler=handler, metadata=facts, **(options or {}))
                for number in range(count)
            ]
            key = self.client.invoke("submit", urls=[each.url for each in tasks])
            try:
                batch = manager.submit_batch(tasks)
            except QueuectlError:
                self.client.unknown(key)
                return
            ids: list[int] = []
            self.client.ok(key)
            self.client.rows[-1]["ids"] = ids
            self.batches.append((batch, ids, count))

    def some_tasks(self, chance: Random, count: int) -> list[int]:
        """Return a few of the tasks that were submitted one by one."""
        return chance.sample(self.numbers, min(count, len(self.numbers)))

    def heal(self) -> None:
        """Take back what is still wrong, and return when all daemons are ready."""
        for link in self.links:
            link.clear()
            link.thaw()
            link.mend()
        if self.database and not self.arena.postgres.running:
            self.arena.postgres.start()
        if self.redis_url:
            if not self.arena.redis.running:
                self.arena.redis.start()
            self.arena.redis.command("REPLICAOF NO ONE", "CLIENT UNPAUSE", "CONFIG SET maxmemory 0")
        for node in self.nodes:
            if node.daemon.running:
                node.daemon.send(signal.SIGCONT)
            node.start()
        self._until_answered(self._resume_all)

    def _resume_all(self) -> None:
        with QueueManager(self.site.settings) as manager:
            for queue in QUEUES:
                manager.resume_queue(queue)

    @staticmethod
    def _until_answered(act: Callable[[], None]) -> None:
        def done() -> bool:
            try:
                act()
            except QueuectlError:
                return False
            return True

        wait_until(done, within=30, describing="the database to answer")

    def resolve_batches(self) -> None:
        """Fill in which tasks each answered batch has."""
        for batch, ids, count in self.batches:
            number = int(batch.removeprefix("batch_"))
            ids += [
                each
                for (each,) in self.site.rows("SELECT id FROM tasks WHERE batch_id = %s ORDER BY id", number)
            ]
            assert len(ids) == count, f"{batch} was accepted with {count} tasks and has {len(ids)}"

    def check_that_harm_fails(self) -> None:
        """Make sure that no run which died, hung, ate memory or returned nonsense counts as a success."""
        found = self.site.rows("SELECT id, handler FROM tasks WHERE state = 'succeeded'")
        harm = {f"harm_{name}" for name in _HARM if name not in _MAY_SUCCEED}
        lies = [(number, handler) for number, handler in found if handler in harm]
        assert not lies, f"these cannot have succeeded: {lies}"

    def survivors(self) -> Iterator[dict[str, Any]]:
        """Yield what handlers have left of processes; no daemon runs any more."""
        homes = {str(node.site.home) for node in self.nodes}
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                mark = process.environ().get("_QUEUECTL_RUNNER", "")
                if any(mark.endswith(home) for home in homes):
                    yield {"kind": "survivor", "pid": process.pid, "task": None, "command": process.cmdline()}

    def close(self) -> None:
        """Take everything down."""
        self._stack.close()

    def _drop_database(self) -> None:
        if not self.arena.postgres.running:
            self.arena.postgres.start()
        self.arena.postgres.drop_database(self.database)
