"""What every test can ask for: real servers, fresh databases on them, and a home of its own.

Every xdist worker starts servers of its own, when the first test asks for one. One pair for all workers would
save half a second per worker, and would let a worker that crashes or flushes disturb the others.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import hypothesis
import pytest

from tests.support.guard import guard
from tests.support.postgres import PostgresServer, find_postgres
from tests.support.redis import RedisServer, find_redis

# What would lead queuectl to a database, a Redis or a home that a developer works with.
_AMBIENT = (
    "DATABASE_URL",
    "REDIS_URL",
    "REDIS_HOST",
    "REDIS_PORT",
    "REDIS_PASSWORD",
    "STATE_DIRECTORY",
    "NO_COLOR",
)

# How long an example takes says something of the machine only.
hypothesis.settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("any machine")


def pytest_configure() -> None:
    """Forget the developer's own settings, and send what asks for no home to an empty one."""
    for name in list(os.environ):
        if name in _AMBIENT or (name.startswith("QUEUECTL_") and name != "QUEUECTL_TEST_SERVERS"):
            del os.environ[name]
    # A run in the background ignores what stops a program, and whatever it starts would do so as well.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    nowhere = guard.new_folder()
    os.environ.update(XDG_DATA_HOME=f"{nowhere}/data", XDG_CONFIG_HOME=f"{nowhere}/config")
    atexit.register(guard.remove_folder, nowhere)


def pytest_report_header() -> list[str]:
    """Name the servers that this run uses."""
    lines = []
    for find in (find_postgres, find_redis):
        try:
            found = find()
            lines.append(f"server: {found.version} from {found.origin}")
        except RuntimeError as error:
            lines.append(f"server: {error}")
    return lines


@pytest.fixture
def home() -> Iterator[Path]:
    """Give an empty folder with mode 0700 whose path is short enough for a socket in it."""
    folder = guard.new_folder()
    yield folder
    guard.remove_folder(folder)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """Give this worker's PostgreSQL server; a test that stops or kills one asks for ``own_postgres``."""
    with PostgresServer(durable=False) as server:
        yield server


@pytest.fixture
def postgres_url(postgres: PostgresServer) -> Iterator[str]:
    """Give the address of a new, empty database."""
    name = postgres.create_database()
    yield postgres.url(name)
    postgres.drop_database(name)


@pytest.fixture
def own_postgres() -> Iterator[Callable[..., PostgresServer]]:
    """Give a function that starts a PostgreSQL server for this test alone, to be stopped and killed at will.

    It takes the arguments of ``PostgresServer``.
    """
    with contextlib.ExitStack() as servers:

        def start(*, durable: bool = True, settings: Mapping[str, str] | None = None) -> PostgresServer:
            return servers.enter_context(PostgresServer(durable=durable, settings=settings))

        yield start


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """Give this worker's Redis server; a test that stops or kills one asks for ``own_redis``."""
    with RedisServer() as server:
        yield server


@pytest.fixture
def redis_url(redis_server: RedisServer) -> str:
    """Give the address of an empty Redis database that no earlier test still writes to."""
    return redis_server.fresh_url()


@pytest.fixture
def own_redis() -> Iterator[Callable[..., RedisServer]]:
    """Give a function that starts a Redis server for this test alone, to be stopped and killed at will.

    It takes the arguments of ``RedisServer``.
    """
    with contextlib.ExitStack() as servers:

        def start(*, persistent: bool = False) -> RedisServer:
            return servers.enter_context(RedisServer(persistent=persistent))

        yield start
