"""Move an installation to another database: everything is copied at once, compared, and only then there."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from queuectl.errors import (
    ConflictError,
    DaemonRunningError,
    InvalidInputError,
    QueuectlError,
    RefusedError,
    SchemaError,
    StorageError,
)
from queuectl.operations.local_daemon import is_locked
from queuectl.operations.opening import make_private_file
from queuectl.settings import Settings
from queuectl.settings.rules import RULES
from queuectl.store import copying, nodes
from queuectl.store.copying import TableSum
from queuectl.store.database import Database, Transaction
from queuectl.store.migrate import ensure_ready

_FILE = "sqlite:///"


@dataclass(frozen=True, slots=True)
class CopyReceipt:
    """A copied database; the addresses are without passwords, and ``tables`` is what is in both."""

    source: str
    target: str
    tables: tuple[TableSum, ...]

    @property
    def rows(self) -> int:
        """How many rows were copied."""
        return sum(table.rows for table in self.tables)


def copy_database(
    settings: Settings,
    source: str | None,
    target: str,
    on_progress: Callable[[int, int], None] | None = None,
) -> CopyReceipt:
    """Copy all that is in a database, by default the configured one, into an unused one of either engine.

    ``on_progress`` is told how many rows have been copied, and of how many.

    Raises:
        InvalidInputError: an address is none, or both are the same.
        RefusedError: somebody has used the target.
        DaemonRunningError: a daemon uses one of the two.
        ConflictError: the source was written to meanwhile.
        SchemaError: the source's schema is not the present one.
        UnreachableError: one of the two does not answer.
    """
    origin = settings.database_url if source is None else _address(settings, source, "source")
    place = _address(settings, target, "target")
    if origin == place:
        raise InvalidInputError("source and target are the same database", hint="name another target")
    for url in (origin, place):
        _check_home(settings, url)
    with ExitStack() as stack:
        read, written = _open_source(origin), _open_target(place)
        stack.callback(read.close)
        stack.callback(written.close)
        _check_unused(written)
        tables = _copy(read, written, on_progress)
        written.analyze()
    return CopyReceipt(read.shown, written.shown, tuple(tables))


def _copy(
    read: Database, written: Database, on_progress: Callable[[int, int], None] | None
) -> list[TableSum]:
    with written.writing() as target:
        target.may_rest()
        with read.reading() as source:
            _check_nodes(read, source)
            total = copying.count(source) if on_progress else 0
            done = 0

            def report(rows: int) -> None:
                nonlocal done
                done += rows
                if on_progress:
                    on_progress(done, total)

            before = copying.marks(source)
            wanted = copying.copy(source, target, report)
        with read.reading() as source:
            if copying.marks(source) != before:
                raise ConflictError(
                    f"{read.shown} was written to while it was copied; nothing was kept",
                    hint="stop what submits tasks, then try again",
                )
        for here, there in zip(wanted, copying.sums(target), strict=True):
            if here != there:
                raise QueuectlError(
                    f"the copy of the table {here.table} is not the same as its original; nothing was kept",
                    hint="this is a bug: please report it with the versions of both databases",
                )
    return wanted


def _address(settings: Settings, text: str, which: str) -> str:
    try:
        address = str(RULES["database_url"].check(text))
    except ValueError as error:
        raise InvalidInputError(
            f"the {which} is not the address of a database", hint=f"write {RULES['database_url'].accepts}"
        ) from error
    if address.startswith(_FILE):
        # As in the settings: a relative file lies below the home.
        return f"{_FILE}{settings.home / address.removeprefix(_FILE)}"
    return address


def _open_source(url: str) -> Database:
    database = Database(url)
    if database.engine == "sqlite" and not Path(url.removeprefix(_FILE)).is_file():
        raise StorageError(
            f"there is no database file {url.removeprefix(_FILE)}", hint="name the one to copy with --from"
        )
    with database.reading() as transaction:
        version = copying.schema_version(transaction)
    if version == 0:
        raise SchemaError(
            f"{database.shown} holds nothing of queuectl", hint="name the one to copy with --from"
        )
    ensure_ready(database)
    return database


def _open_target(url: str) -> Database:
    database = Database(url)
    if database.engine == "sqlite":
        make_private_file(Path(url.removeprefix(_FILE)))
    ensure_ready(database)
    return database


def _check_unused(database: Database) -> None:
    with database.reading() as transaction:
        used = copying.used_table(transaction)
    if used is not None:
        raise RefusedError(
            f"{database.shown} is in use already: its table {used} is not empty",
            hint="name a new database; the copy never mixes two",
        )


def _check_home(settings: Settings, url: str) -> None:
    """Refuse a database whose daemon runs in this home, or in the folder of its file."""
    homes = {settings.home} if url == settings.database_url else set()
    if url.startswith(_FILE):
        homes.add(Path(url.removeprefix(_FILE)).parent)
    for home in homes:
        if is_locked(home):
            raise DaemonRunningError(
                f"a daemon runs in {home}; what it did meanwhile would be missing from the copy",
                hint=f"stop it first: queuectl --home {home} daemon stop",
            )


def _check_nodes(database: Database, transaction: Transaction) -> None:
    now = transaction.now()
    for node in nodes.every(transaction):
        if node.lease_until > now:
            raise DaemonRunningError(
                f"the daemon with pid {node.pid} on {node.host} uses {database.shown};"
                " what it did meanwhile would be missing from the copy",
                hint="stop it with: queuectl daemon stop; if it was killed, try again in half a minute",
            )
