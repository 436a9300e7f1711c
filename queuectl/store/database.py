"""One database, SQLite or PostgreSQL: connections, transactions, and the few differences between the engines.

Every other module of the store writes portable SQL against this one; nobody else asks which
engine it is or begins a transaction.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import peewee

from queuectl.clock import monotonic, now_ms
from queuectl.domain.observed import Observed
from queuectl.errors import DatabaseUnreachableError, StorageError, UnreachableError
from queuectl.settings import without_password
from queuectl.store import shards
from queuectl.store.audit import Former, Note, append
from queuectl.store.connecting import (
    BUSY_SECONDS,
    POSTGRES_SESSION,
    add_functions,
    for_sqlite,
    unconnected,
)
from queuectl.store.counters import Statement, Tally, closing
from queuectl.store.failures import Engine, explained, is_damage, is_from_outside
from queuectl.store.rows import Columns, array, array_table, json_table
from queuectl.wakeup import CHANNEL

Row = tuple[Any, ...]

_CHECKPOINT_HERE = "PRAGMA wal_autocheckpoint = 2000"

_MAY_REST = "SET LOCAL idle_in_transaction_session_timeout = 0"
_BEGIN_READING = f"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; {_MAY_REST}"


class _Here(threading.local):
    """What one thread has to send before its next statement, because its transaction has not begun yet."""

    begin: str | None = None


class Transaction:
    """What a write needs while it lasts: a way to run statements, and what is written at its end.

    ``tally`` are the counts it changes, ``observed`` what it adds to the statistics, ``note`` is its line in
    the audit, ``former`` what tasks were before a person changed them, ``kept`` what else it takes to undo that.
    """

    def __init__(self, database: Database) -> None:
        self.database = database
        self.tally = Tally()
        self.observed = Observed()
        self.note: Note | None = None
        self.former: list[Former] = []
        self.kept: dict[str, Any] | None = None

    def execute(self, sql: str, params: Sequence[object] = ()) -> Any:
        """Run one statement written with ``%s`` for each parameter and return its cursor."""
        return self.database.run(sql, params)

    def now(self) -> int:
        """Return the database's clock in UTC milliseconds; the one clock that all nodes share."""
        if self.database.engine == "sqlite":
            return now_ms()
        return int(self.rows(f"SELECT {self.database.clock()}")[0][0])

    def may_rest(self) -> None:
        """Let nothing be said for as long as it takes, in a write that nobody works beside."""
        if self.database.engine == "postgresql":
            self.execute(_MAY_REST)

    def rows(self, sql: str, params: Sequence[object] = ()) -> list[Row]:
        """Run one statement and return all its rows."""
        rows: list[Row] = self.database.run(sql, params).fetchall()
        return rows


class Database:
    """The database at a URL. Safe to share between threads: each has a connection of its own.

    ``on_observed`` is told, after each commit, what has been done to tasks.
    """

    sees_the_past = False
    """Whether a write may see what was so when its transaction began, and not what has been committed since."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.engine: Engine = "sqlite" if url.startswith("sqlite:") else "postgresql"
        self.peewee = unconnected(url, self.engine)
        self.shard = shards.of_writer(self.engine)
        self._turns = shards.in_turn(self.engine)
        self.on_observed: Callable[[Observed], None] | None = None
        self._here = _Here()
        self._checkpointer: int | None = None
        _databases.add(self)

    @property
    def shown(self) -> str:
        """The URL without its password."""
        return without_password(self.url)

    @contextmanager
    def writing(self) -> Iterator[Transaction]:
        """Run the body in one write transaction; its counts are kept with it, and an error undoes all of it.

        Raises:
            DatabaseUnreachableError: the connection is lost; whether a commit under way happened is unknown.
            StorageError: the file or its disk refuses.
        """
        with self._translated():
            self._begin()
            try:
                transaction = Transaction(self)
                yield transaction
                statements = closing(transaction, self.shard, next(self._turns))
                if transaction.note is not None:
                    self._run_all(statements)
                    append(transaction, transaction.note)
                    statements = []
                self._commit(statements)
            except BaseException:
                self._undo()
                raise
        if self.on_observed is not None and transaction.observed:
            self.on_observed(transaction.observed)

    @contextmanager
    def reading(self) -> Iterator[Transaction]:
        """Run the body's queries on one snapshot.

        Raises:
            DatabaseUnreachableError: the connection is lost.
        """
        with self._translated():
            self._begin(reading=True)
            try:
                yield Transaction(self)
            finally:
                self._undo()

    def run(self, sql: str, params: Sequence[object] = ()) -> Any:
        """Run one statement on this thread's connection; only inside ``writing`` or ``reading``."""
        if self.engine == "sqlite":
            return self.peewee.execute_sql(for_sqlite(sql), params)
        begin, self._here.begin = self._here.begin, None
        return self.peewee.execute_sql(sql, params) if begin is None else self._run_first(begin, sql, params)

    def cursor(self) -> Any:
        """Return a cursor of the driver's own, for what goes past Peewee; only inside ``writing`` or ``reading``."""
        if self._here.begin is not None:
            self.run("SELECT")
        return self.peewee.connection().cursor()

    def values(self, columns: Columns, rows: Sequence[Sequence[object]]) -> tuple[str, list[object]]:
        """Return a table expression named ``v`` that holds ``rows``, and its parameters.

        The text depends on the columns alone, whatever the number of rows, so each engine parses
        and plans it once in the same form. ``columns`` are pairs of name and PostgreSQL type.
        """
        return json_table(columns, rows) if self.engine == "sqlite" else array_table(columns, rows)

    def none_of(self, texts: Iterable[str]) -> tuple[str, str]:
        """Return a condition tail for "is none of these texts", and its one parameter, however many they are."""
        if self.engine == "sqlite":
            return "NOT IN (SELECT value FROM json_each(%s))", json.dumps(list(texts), ensure_ascii=False)
        return "<> ALL(%s::text[])", array(texts)

    def clock(self) -> str:
        """Return the SQL of the database's clock in UTC milliseconds."""
        if self.engine == "sqlite":
            return "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)"
        return "(extract(epoch FROM clock_timestamp()) * 1000)::bigint"

    def locking(self) -> str:
        """Return the clause that locks selected rows and passes over locked ones; SQLite has one writer anyway."""
        return "" if self.engine == "sqlite" else " FOR UPDATE SKIP LOCKED"

    def row_lock(self) -> str:
        """Return the clause that locks selected rows and waits for them."""
        return "" if self.engine == "sqlite" else " FOR UPDATE"

    def any_of(self, subselect: str) -> str:
        """Return a condition tail for "is among the subselect" that is evaluated once.

        PostgreSQL may run a limited, locking ``IN (SELECT …)`` more than once and so lock too much.
        """
        return f"IN ({subselect})" if self.engine == "sqlite" else f"= ANY(ARRAY({subselect}))"

    def contains(self, column: str) -> str:
        """Return the condition that a text, its one parameter, is somewhere in a column, whatever the case."""
        if self.engine == "sqlite":
            return f"contains_text({column}, %s)"
        return f"strpos(lower({column}), lower(%s)) > 0"

    def checkpoint_here(self) -> None:
        """Let this thread's connection, and only this one, move SQLite's log into its file as it goes."""
        self._checkpointer = threading.get_ident()
        if self.engine == "sqlite" and not self.peewee.is_closed():
            self.peewee.execute_sql(_CHECKPOINT_HERE)

    def analyze(self) -> None:
        """Tell PostgreSQL's planner how the tables are; it would find out a minute later, so a failure is no matter."""
        if self.engine == "postgresql":
            with suppress(UnreachableError, StorageError), self._translated():
                self._connect()
                self.peewee.execute_sql("ANALYZE tasks, task_urls")

    def notify(self) -> None:
        """Tell daemons on other machines, through PostgreSQL, that there is something to do.

        It runs after the commit and alone, because a notice makes its transaction take a lock that
        the whole server shares, and nothing slow may happen while that is held.
        """
        if self.engine == "postgresql":
            with self._translated():
                self._connect()
                self.peewee.execute_sql(f"NOTIFY {CHANNEL}")

    def close(self) -> None:
        """Close this thread's connection."""
        if not self.peewee.is_closed():
            self.peewee.close()

    def _begin(self, *, reading: bool = False) -> None:
        self._connect()
        if self.engine == "sqlite":
            self.peewee.begin("DEFERRED" if reading else "IMMEDIATE")
        else:  # it goes to the server together with the first statement
            self._here.begin = _BEGIN_READING if reading else "BEGIN"

    def _run_first(self, begin: str, sql: str, params: Sequence[object]) -> Any:
        try:
            return self.peewee.execute_sql(f"{begin}; {sql}", params)
        except (peewee.OperationalError, peewee.InterfaceError):
            if not self.peewee.connection().closed:
                raise
            # The server may have restarted since the last use; nothing was done yet, so try afresh.
            self._forget_connection()
            self._connect()
        return self.peewee.execute_sql(f"{begin}; {sql}", params)

    def _commit(self, statements: Sequence[Statement]) -> None:
        """Run what closes a transaction and commit, on PostgreSQL together with the last statement."""
        # What may be sent again after a lost connection, the first statement, must not hold a commit.
        if self.engine == "sqlite" or not statements or self._here.begin is not None:
            self._run_all(statements)
            if not self._has_not_begun():
                self.peewee.commit()
        else:
            *first, (sql, params) = statements
            self._run_all(first)
            self.run(f"{sql}; COMMIT", params)

    def _run_all(self, statements: Sequence[Statement]) -> None:
        for sql, params in statements:
            self.run(sql, params)

    def _has_not_begun(self) -> bool:
        """Tell, at the end of a transaction, whether nothing was sent to the server in it."""
        begin, self._here.begin = self._here.begin, None
        return begin is not None

    def leave_parents_connections(self) -> None:
        """In a process that was just forked, let go of its parent's connections; it opens its own."""
        if self.engine == "sqlite" and not self.peewee.is_closed():
            # Beside it a new connection would believe that this process holds the parent's locks, and
            # the parent, alone by all that it can see, could take the log away from under it.
            self.peewee.connection().close()
        # PostgreSQL's is only dropped: closing it would tell the server that the parent is done.
        self.peewee = unconnected(self.url, self.engine)

    def _connect(self) -> None:
        if self.peewee.is_closed():
            self._connect_patiently()
            if self.engine == "sqlite":
                add_functions(self.peewee.connection())
                if threading.get_ident() == self._checkpointer:
                    self.peewee.execute_sql(_CHECKPOINT_HERE)
            else:
                self.peewee.execute_sql(POSTGRES_SESSION)

    def _connect_patiently(self) -> None:
        """Connect; where several processes open a new SQLite file at once, wait for the one that sets it up.

        SQLite waits for every lock by itself, but not for the one it needs to change the journal mode.
        """
        deadline = monotonic() + BUSY_SECONDS
        while True:
            try:
                self.peewee.connect()
                return
            except peewee.OperationalError as error:
                if self.engine != "sqlite" or "locked" not in str(error) or monotonic() > deadline:
                    raise
            threading.Event().wait(0.01)

    def _undo(self) -> None:
        if self._has_not_begun():
            return
        try:
            self.peewee.rollback()
        except (peewee.PeeweeException, sqlite3.Error):
            self._forget_connection()

    def _forget_connection(self) -> None:
        try:
            self.peewee.close()
        except Exception:  # noqa: BLE001  a broken connection may fail in any way while it is closed
            self.peewee._state.reset()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (peewee.OperationalError, peewee.InterfaceError, peewee.InternalError, MemoryError) as error:
            raise self._explained(error) from error
        except peewee.DatabaseError as error:
            if is_damage(error) or is_from_outside(error):
                raise self._explained(error) from error
            raise

    def _explained(self, error: Exception) -> UnreachableError | StorageError:
        found = explained(error, self.engine, self.url)
        if isinstance(found, DatabaseUnreachableError):
            self._forget_connection()
        return found


_databases: weakref.WeakSet[Database] = weakref.WeakSet()


def _after_fork() -> None:
    for database in list(_databases):
        database.leave_parents_connections()


os.register_at_fork(after_in_child=_after_fork)
