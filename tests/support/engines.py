"""Fixtures that run a test once per engine, on an empty database with the present schema.

PostgreSQL's is made once per worker and emptied for each test: cloning and dropping one takes fifty
times as long. A test that changes the schema, or needs a database without one, asks for ``empty_url``.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import peewee
import psycopg2
import pytest

from queuectl.domain.audit import Head
from queuectl.settings import Settings
from queuectl.store.database import Database
from queuectl.store.migrate import migrate
from queuectl.store.schema import TABLES, QueueRow
from tests.support.postgres import PostgresServer
from tests.support.waiting import wait_until

ENGINES = ["sqlite", "postgresql"]

_EMPTIED = [table._meta.table_name for table in TABLES if table._meta.table_name != "queues"]
_NUMBERED = [
    table._meta.table_name for table in TABLES if isinstance(table._meta.primary_key, peewee.AutoField)
]
_LIMITS = [name for name in QueueRow._meta.fields if name not in ("name", "paused")]
_MANY = 10_000  # rows; to delete fewer is far quicker than to give the tables new files


class MigratedPostgres:
    """A worker's migrated database on PostgreSQL, and a connection to empty it over."""

    def __init__(self, server: PostgresServer) -> None:
        self.url = server.url(server.create_database())
        database = Database(self.url)
        migrate(database)
        database.close()
        self.connection = psycopg2.connect(self.url)
        self.connection.autocommit = True

    def empty(self) -> None:
        """Remove every row, and whoever is left from an earlier test."""
        self._terminate()
        with self.connection.cursor() as cursor:
            cursor.execute("SELECT last_value FROM tasks_id_seq")
            row = cursor.fetchone()
            if row is None or row[0] > _MANY:
                cursor.execute(f"TRUNCATE {', '.join(_EMPTIED)}")
            else:
                cursor.execute("; ".join(f"DELETE FROM {name}" for name in _EMPTIED))
            restarted = ", ".join(f"setval('{name}_id_seq', 1, false)" for name in _NUMBERED)
            cursor.execute(f"SELECT {restarted}")
            cursor.execute(
                "INSERT INTO facts (name, value) VALUES ('audit_head', %s), ('statistics', '{}')",
                (str(Head()),),
            )
            cursor.execute(f"UPDATE queues SET paused = 0, {', '.join(f'{name} = NULL' for name in _LIMITS)}")

    def cut(self) -> None:
        """End every connection but this one, as an administrator may, and return when they are gone."""
        assert self._terminate() > 0, "there is no connection to cut"
        wait_until(lambda: self._terminate() == 0, describing="the connections to be gone")

    def _terminate(self) -> int:
        with self.connection.cursor() as cursor:
            cursor.execute(
                "SELECT COUNT(pg_terminate_backend(pid)) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            (row,) = cursor.fetchall()
            return int(row[0])


@pytest.fixture(scope="session")
def migrated_postgres(postgres: PostgresServer) -> Iterator[MigratedPostgres]:
    """Give this worker's migrated database; ``database_url`` empties it."""
    migrated = MigratedPostgres(postgres)
    yield migrated
    migrated.connection.close()


@pytest.fixture
def emptied_postgres(migrated_postgres: MigratedPostgres) -> str:
    """Give the address of a migrated database without rows."""
    migrated_postgres.empty()
    return migrated_postgres.url


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Give the content of a migrated SQLite file."""
    folder = tmp_path_factory.mktemp("migrated")
    database = Database(sqlite_url(folder))
    migrate(database)
    database.close()
    return (folder / "queuectl.db").read_bytes()


@pytest.fixture(params=ENGINES)
def database_url(request: pytest.FixtureRequest) -> str:
    """Give the address of a migrated, empty database, once per engine."""
    if request.param == "postgresql":
        return str(request.getfixturevalue("emptied_postgres"))
    home: Path = request.getfixturevalue("home")
    (home / "queuectl.db").write_bytes(request.getfixturevalue("migrated_file"))
    return sqlite_url(home)


@pytest.fixture(params=ENGINES)
def empty_url(request: pytest.FixtureRequest) -> str:
    """Give the address of a database without any table, once per engine."""
    if request.param == "postgresql":
        return str(request.getfixturevalue("postgres_url"))
    return sqlite_url(request.getfixturevalue("home"))


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """Give a migrated, empty database, once per engine."""
    database = Database(database_url)
    yield database
    database.close()


@pytest.fixture
def settings(home: Path, database_url: str) -> Settings:
    """Give settings with defaults for a migrated, empty database, once per engine."""
    return Settings(home=home, database_url=database_url)


@contextlib.contextmanager
def watched_locks(database: Database) -> Iterator[Callable[[], bool]]:
    """Give a question, asked over a connection of its own: does anybody wait for a lock?

    On SQLite, where nobody can tell, the answer is yes.
    """
    other = Database(database.url)

    def someone_waits() -> bool:
        if other.engine == "sqlite":
            return True
        with other.reading() as transaction:
            return bool(transaction.rows("SELECT 1 FROM pg_locks WHERE NOT granted"))

    yield someone_waits
    other.close()


def sqlite_url(home: Path) -> str:
    """Return the address of the database file below a home."""
    return f"sqlite:///{home / 'queuectl.db'}"
