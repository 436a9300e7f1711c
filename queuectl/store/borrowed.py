"""A caller's own connection to the PostgreSQL database: what is written over it belongs to the caller's transaction.

Nothing here begins, commits or rolls back that transaction. Each write is a savepoint in it, so that a
refusal leaves the transaction as it was.
"""

from __future__ import annotations

import sqlite3
import sys
import threading
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import peewee

from queuectl.errors import ConflictError, InvalidInputError, QueuectlError, RefusedError
from queuectl.settings import without_password
from queuectl.store import ordering
from queuectl.store.counters import closing
from queuectl.store.database import Database, Transaction
from queuectl.store.failures import explained, sql_state
from queuectl.store.shards import CALLERS, WRITERS
from queuectl.wakeup import CHANNEL

_SHARD_LOCK = 0x71_75_65  # "que": the advisory locks by which callers keep out of each other's rows

_READ_ONLY, _NOT_ALLOWED = "25006", "42501"  # PostgreSQL's codes of errors

_IDLE, _FAILED = 0, 3  # libpq's PQTRANS_IDLE and PQTRANS_INERROR; both drivers hand on its numbers

_SAVEPOINT = "queuectl_submission"
_TABLES = "'tasks', 'task_urls', 'queues', 'counters', 'facts', 'observations'"
_IDENTITY = (
    "SELECT extract(epoch FROM pg_postmaster_start_time())::text,"
    " (SELECT oid FROM pg_database WHERE datname = current_database())::text,"
    f" (SELECT string_agg(coalesce(to_regclass(name)::oid::text, '-'), ',') FROM unnest(ARRAY[{_TABLES}]) AS name)"
)
_FREE_SHARD = (
    "SELECT shard FROM (SELECT %s + (pg_backend_pid() + step) %% %s AS shard FROM generate_series(0, %s) AS step)"
    " AS shards WHERE pg_try_advisory_xact_lock(%s, shard) LIMIT 1"
)

_locks: weakref.WeakKeyDictionary[Any, threading.Lock] = weakref.WeakKeyDictionary()
_locks_lock = threading.Lock()


class BorrowedDatabase(Database):
    """Our database over the caller's connection: of psycopg2, of psycopg 3, or SQLAlchemy's around one of them.

    Raises:
        InvalidInputError: it is no such connection, is closed, in autocommit, in a failed transaction, or
            leads to another database.
    """

    def __init__(self, own: Database, connection: Any) -> None:
        if own.engine == "sqlite":
            raise InvalidInputError(
                "connection= needs PostgreSQL, and the tasks are kept in an SQLite file",
                hint="leave connection= out, or set DATABASE_URL to the PostgreSQL database of your data",
            )
        super().__init__(own.url)
        self._own = own
        self._driver = _of_driver(connection)
        self._new_cursor = _check_and_choose_cursor(self._driver)
        self._lock = _lock_of(self._driver)

    @contextmanager
    def writing(self) -> Iterator[Transaction]:
        """Run the body inside the caller's transaction; an error undoes what the body did, and nothing else.

        Raises:
            InvalidInputError: the connection leads to another database.
            ConflictError: another writer was in the way; the caller's transaction has to be tried again.
            DatabaseUnreachableError: the connection is lost, and the caller's transaction with it.
            StorageError: the server cannot do it, for want of space or memory for instance.
            RefusedError: the transaction, or who it belongs to, may not write here.
        """
        with self._lock, self._translated():
            _check_state(self._driver)
            self._check_identity()
            self.run(f"SAVEPOINT {_SAVEPOINT}")
            try:
                transaction = Transaction(self)
                self.sees_the_past = self._is_frozen()
                if self.sees_the_past:
                    # Who waits longer is ranked by what is stored; a snapshot may show what was stored before.
                    ordering.stored_point(transaction, kept=True)
                yield transaction
                shard = self._counter_shard()
                for statement in closing(transaction, shard, shard):
                    self.run(*statement)
                # It is delivered with the commit, and to nobody after a rollback.
                self.run(f"NOTIFY {CHANNEL}")
            except BaseException:
                self._undo()
                raise
            self.run(f"RELEASE SAVEPOINT {_SAVEPOINT}")

    def run(self, sql: str, params: Sequence[object] = ()) -> Any:
        """Run one statement on the caller's connection; its errors are raised as Peewee's."""
        cursor = self._new_cursor()
        try:
            cursor.execute(sql, tuple(params) or None)
        except Exception as error:
            kind = _peewees(type(error))
            if kind is None:
                raise
            raise kind(error, *error.args) from error
        return cursor

    def _check_identity(self) -> None:
        found = _only(self.run(_IDENTITY))
        known = _identities.get(self._own)
        if found != known:
            with self._own.reading() as transaction:
                known = _identities[self._own] = transaction.rows(_IDENTITY)[0]
        if found == known:
            return
        if found[:2] == known[:2]:
            raise InvalidInputError(
                "over this connection other tables are found than queuectl's: its search_path is another one",
                hint="give it the search_path that DATABASE_URL has",
            )
        raise InvalidInputError(
            f"the connection leads to another database than {without_password(self.url)}",
            hint="connect to that one, or correct DATABASE_URL",
        )

    def _is_frozen(self) -> bool:
        (level,) = _only(self.run("SELECT current_setting('transaction_isolation')"))
        return level not in ("read committed", "read uncommitted")

    def _counter_shard(self) -> int:
        """Return a row of counts that no open transaction holds; by the process id, it is mostly our own of before."""
        row = self.run(_FREE_SHARD, (WRITERS, CALLERS, CALLERS - 1, _SHARD_LOCK)).fetchone()
        return int(row[0]) if row else WRITERS + CALLERS + self.shard

    def _undo(self) -> None:
        try:
            self.run(f"ROLLBACK TO SAVEPOINT {_SAVEPOINT}")
            self.run(f"RELEASE SAVEPOINT {_SAVEPOINT}")
        except peewee.PeeweeException:
            return  # the connection is lost, and everything is undone

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (
            peewee.OperationalError,
            peewee.InterfaceError,
            peewee.InternalError,
            peewee.ProgrammingError,
        ) as error:
            raise self._failure(error) from error

    def _failure(self, error: peewee.PeeweeException) -> QueuectlError:
        text = " ".join(str(error).split())[:200]
        code = sql_state(error)
        if code == _READ_ONLY:
            return RefusedError(
                "the transaction is read-only, so no task can be submitted in it",
                hint="begin it without READ ONLY",
            )
        if code == _NOT_ALLOWED:
            return RefusedError(
                f"the connection's user may not write queuectl's tables: {text}",
                hint="grant it what DATABASE_URL's user has, or connect as that user",
            )
        found = explained(error, "postgresql", self.url)
        if isinstance(found, ConflictError):
            found.hint = "roll back, and try the whole transaction again"
        return found


_identities: weakref.WeakKeyDictionary[Database, tuple[Any, ...]] = weakref.WeakKeyDictionary()


def _of_driver(connection: Any) -> Any:
    """Return the driver's connection inside of SQLAlchemy's ones, or what was given."""
    if callable(getattr(connection, "in_transaction", None)) and hasattr(connection, "dialect"):
        if not connection.in_transaction():
            raise InvalidInputError(
                "the SQLAlchemy connection is in no transaction, so its commit would not reach the task",
                hint="submit inside of: with connection.begin():",
            )
        connection = connection.connection
    return getattr(connection, "driver_connection", None) or connection


def _check_and_choose_cursor(connection: Any) -> Any:
    family = type(connection).__mro__
    names = {f"{each.__module__.partition('.')[0]}.{each.__name__}" for each in family}
    if "psycopg2.connection" in names and not connection.async_:
        from psycopg2.extensions import cursor

        return lambda: connection.cursor(cursor_factory=cursor)
    if "psycopg.Connection" in names:
        # Its caller has loaded it, and we do not need it otherwise.
        psycopg: Any = sys.modules["psycopg"]
        return lambda: psycopg.ClientCursor(connection, row_factory=psycopg.rows.tuple_row)
    kind = f"{type(connection).__module__}.{type(connection).__qualname__}"
    other = "of SQLite" if isinstance(connection, sqlite3.Connection) else f"a {kind}"
    raise InvalidInputError(
        f"connection= takes a connection of psycopg2, psycopg or SQLAlchemy to PostgreSQL, and this one is {other}",
        hint="give the connection in whose transaction the task is to be",
    )


def _check_state(connection: Any) -> None:
    """Refuse a connection on which the task would not belong to a transaction of the caller's."""
    if connection.closed:
        raise InvalidInputError("the connection is closed", hint="give an open one")
    status = int(connection.info.transaction_status)
    if status == _FAILED:
        raise InvalidInputError(
            "the connection's transaction has failed, so nothing more can be done in it",
            hint="roll it back first",
        )
    if connection.autocommit and status == _IDLE:
        raise InvalidInputError(
            "the connection is in autocommit mode, so there is no transaction for the task to belong to",
            hint="set autocommit to False, or leave connection= out",
        )


def _lock_of(connection: Any) -> threading.Lock:
    """Return the lock by which threads that share a connection keep their savepoints apart."""
    with _locks_lock:
        return _locks.setdefault(connection, threading.Lock())


def _peewees(kind: type[BaseException]) -> Any:
    """Return Peewee's class for an error of a driver, which has the same name; None for what is none."""
    for each in kind.__mro__:
        if each.__module__.partition(".")[0] in ("psycopg", "psycopg2"):
            found = getattr(peewee, each.__name__, None)
            if found is not None:
                return found
    return None


def _only(cursor: Any) -> tuple[Any, ...]:
    row: tuple[Any, ...] = cursor.fetchone()
    return row
