"""The stage that all measures play on: real servers, fresh homes and databases, and the size of a run."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from queuectl.operations.manager import QueueManager
from queuectl.settings import Settings, load
from tests.bench.others import wait_for_quiet
from tests.support.guard import guard
from tests.support.postgres import PostgresServer
from tests.support.redis import RedisServer

ROOT = Path(__file__).parents[2]

SQLITE = "SQLite"
POSTGRES = "PostgreSQL"
REDIS = "PostgreSQL + Redis"
KINDS = (SQLITE, POSTGRES, REDIS)
ENGINES = (SQLITE, POSTGRES)

# What would lead queuectl to a database, a Redis or a home that a developer works with, and what would
# make Python slower or different from what people run.
_AMBIENT = (
    *("DATABASE_URL", "REDIS_URL", "REDIS_HOST", "REDIS_PORT", "REDIS_PASSWORD", "STATE_DIRECTORY"),
    *("PYTHONDONTWRITEBYTECODE", "PYTHONPATH", "PYTHONHOME", "NO_COLOR"),
)

_ISOLATIONS = {
    "noop": "thread",
    "stamp": "thread",
    "brief": "thread",
    "nap": "thread",
    "doze": "async",
    "grind": "process",
}
_HANDLERS = "".join(
    f'[handlers.{name}]\ncallable = "tests.bench.handlers:{name}"\nisolation = "{isolation}"\n'
    for name, isolation in _ISOLATIONS.items()
)


@dataclass(frozen=True, slots=True)
class Place:
    """An installation of its own: a home with its settings and an empty database."""

    kind: str
    home: Path
    settings: Settings

    @property
    def database_name(self) -> str:
        """The name of its database on the PostgreSQL server."""
        return self.settings.database_url.rpartition("/")[2]

    @contextlib.contextmanager
    def manager(self) -> Iterator[QueueManager]:
        """Give a manager of this installation."""
        with QueueManager(self.settings) as manager:
            yield manager


class Stage:
    """Servers that start when they are first needed, and everything that has to be cleared away at the end."""

    def __init__(
        self,
        *,
        rounds: int,
        quick: bool,
        say: Callable[[str], None],
        patience: float = 0.0,
        long: bool = False,
    ) -> None:
        self.round_count = rounds
        self.quick = quick
        self.long = long
        self.say = say
        self._patience = patience
        self._cleanup = contextlib.ExitStack()
        self._postgres: PostgresServer | None = None
        self._redis: RedisServer | None = None
        self._stocked: dict[tuple[str, int], Place] = {}

    def __enter__(self) -> Stage:
        for name in list(os.environ):
            if name in _AMBIENT or name.startswith("QUEUECTL_"):
                del os.environ[name]
        nowhere = self.folder()
        os.environ.update(XDG_DATA_HOME=f"{nowhere}/data", XDG_CONFIG_HOME=f"{nowhere}/config")
        # Of a .env file in the folder that the run was started from, nothing is to be read either.
        os.chdir(nowhere)
        return self

    def __exit__(self, *_: object) -> None:
        os.chdir("/")
        self._cleanup.close()

    def size(self, full: int, quick: int) -> int:
        """Return how many things to measure with."""
        return quick if self.quick else full

    def rounds(self, what: str) -> Iterator[int]:
        """Yield the number of each round and say that it begins, if need be after others have become quiet."""
        for number in range(1, self.round_count + 1):
            if self._patience:
                self.say(f"{what}: waiting for a quiet machine before round {number}")
                wait_for_quiet(self._patience)
            self.say(f"{what}: round {number} of {self.round_count}")
            yield number

    @property
    def postgres(self) -> PostgresServer:
        """The PostgreSQL server, on which every acknowledged commit is on the disk."""
        if self._postgres is None:
            server = PostgresServer(durable=True, settings={"fsync": "on"})
            self._postgres = self._cleanup.enter_context(server)
        return self._postgres

    @property
    def redis(self) -> RedisServer:
        """The Redis server, which keeps nothing."""
        if self._redis is None:
            self._redis = self._cleanup.enter_context(RedisServer())
        return self._redis

    def folder(self) -> Path:
        """Make a folder that goes with the run."""
        folder = guard.new_folder()
        self._cleanup.callback(guard.remove_folder, folder)
        return folder

    @contextlib.contextmanager
    def place(self, kind: str, extra: str = "") -> Iterator[Place]:
        """Give a fresh installation; ``extra`` are further lines for the head of its settings file."""
        home = guard.new_folder()
        name = self.postgres.create_database() if kind != SQLITE else None
        lines = [extra]
        if name is not None:
            lines.append(f'database_url = "{self.postgres.url(name)}"')
        if kind == REDIS:
            lines.append(f'redis_url = "{self.redis.fresh_url()}"')
        (home / "queuectl.toml").write_text("\n".join([*lines, _HANDLERS]))
        settings = load(home=home, environ={}).settings
        try:
            yield Place(kind, home, settings)
        finally:
            if name is not None:
                self.postgres.drop_database(name)
            shutil.rmtree(home, ignore_errors=True)
            guard.remove_folder(home)

    def stocked(self, kind: str, tasks: int) -> Place:
        """Return an installation in which this many tasks wait; it is made once and kept for the whole run."""
        if (kind, tasks) not in self._stocked:
            self.say(f"storing {tasks:,} tasks in {kind}")
            place = self._cleanup.enter_context(self.place(kind))
            _stock(place, tasks)
            self.settle(place)
            self._stocked[kind, tasks] = place
        return self._stocked[kind, tasks]

    def settle(self, place: Place) -> None:
        """Do what the server does by itself some time, and not in the middle of a measurement."""
        if place.kind != SQLITE:
            for statement in ("VACUUM ANALYZE", "CHECKPOINT"):
                self.postgres.execute(statement, database=place.database_name)


def _stock(place: Place, tasks: int) -> None:
    """Submit tasks in ten batches, six of them for the medium queue and one for each of the others."""
    part = tasks // 10
    with place.manager() as manager:
        for number, priority in enumerate(["medium"] * 6 + ["urgent", "high", "low", "background"]):
            manager.submit_batch(urls(part, first=number * part), priority)


def urls(count: int, *, first: int = 0) -> Iterator[str]:
    """Yield different URLs that look like those of articles, on a thousand hosts."""
    for number in range(first, first + count):
        yield f"https://site-{number % 1000}.example/articles/2024/07/a-title-of-usual-length-{number}"
