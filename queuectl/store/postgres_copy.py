"""What pg_dump needs to know, and the rows of its archives back into the database.

Nothing of an archive is executed: the tables are made by our own migrations, and only rows are taken.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import peewee
import psycopg2.extensions

from queuectl.domain.backup import Manifest
from queuectl.errors import BadInputFileError
from queuectl.store.database import Database, Transaction
from queuectl.store.migrate import migrate_to, refuse_newer, version
from queuectl.store.schema import TABLES

HEAD = b"PGDMP"
"""How every archive of pg_dump in its custom format begins."""

_NAMES = ("migrations", *(table._meta.table_name for table in TABLES))
_NUMBERED = tuple(
    table._meta.table_name for table in TABLES if isinstance(table._meta.primary_key, peewee.AutoField)
)
_COPY = re.compile(rb'COPY .*?"?(\w+)"? \(([^()]*)\) FROM stdin;\n')
_SETVAL = re.compile(rb"SELECT pg_catalog\.setval\('[^']*?\"?(\w+)_id_seq\"?', (\d+), (true|false)\);\n")
_END = b"\\.\n"
_LOCK_TIMEOUT = "10s"
_TOLD_EVERY = 1_000
_SECRETS = ("password", "sslpassword")


def connection_words(url: str) -> tuple[str, str | None]:
    """Return a database's address in the words of PostgreSQL's programs without any secret, and its password."""
    parts = psycopg2.extensions.parse_dsn(url)
    password = parts.get("password")
    open_parts = {name: value for name, value in parts.items() if name not in _SECRETS}
    return psycopg2.extensions.make_dsn(**open_parts), password


def tables(transaction: Transaction) -> list[str]:
    """Return the names of queuectl's tables as pg_dump's patterns."""
    rows = transaction.rows(
        "SELECT nspname, relname FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace"
        " WHERE pg_class.oid IN (SELECT to_regclass(name) FROM unnest(%s) AS name)",
        (list(_NAMES),),
    )
    return [f'"{schema}"."{name}"' for schema, name in rows]


def size(transaction: Transaction) -> int:
    """Return about how many bytes of rows queuectl's tables hold."""
    rows = transaction.rows(
        "SELECT COALESCE(SUM(pg_table_size(to_regclass(name))), 0) FROM unnest(%s) AS name", (list(_NAMES),)
    )
    return int(rows[0][0])


@dataclass(slots=True)
class Block:
    """The rows of one table in an archive, in PostgreSQL's text form."""

    table: str
    columns: list[str]
    rows: Iterator[bytes]


def inspect(file: str, lines: Iterable[bytes]) -> Manifest:
    """Read all the lines that pg_restore makes of an archive, and say what it is.

    Raises:
        BadInputFileError: it is no backup of queuectl.
    """
    schema, seen = 0, set[str]()
    kept: Counter[tuple[str, str]] = Counter()
    stored: Counter[tuple[str, str]] = Counter()
    for block in blocks(lines):
        seen.add(block.table)
        place = {name: number for number, name in enumerate(block.columns)}
        for row in block.rows:
            if block.table not in {"tasks", "counters", "migrations"}:
                continue
            cells = row.rstrip(b"\n").decode("utf-8", "replace").split("\t")
            if block.table == "migrations":
                schema = max(schema, int(cells[place["number"]]))
            elif block.table == "counters":
                kept[cells[place["queue"]], cells[place["state"]]] += int(cells[place["tasks"]])
            else:
                stored[cells[place["queue"]], cells[place["state"]]] += 1
    if not seen >= {"migrations", "tasks", "counters", "queues"}:
        raise BadInputFileError(f"{file} is an archive of pg_dump, but not of queuectl's tables")
    wrong = (
        f"{queue} {state}: {kept[queue, state]} kept, {stored[queue, state]} stored"
        for queue, state in sorted(kept.keys() | stored.keys())
        if kept[queue, state] != stored[queue, state]
    )
    return Manifest("postgresql", schema, stored.total(), tuple(wrong))


def blocks(lines: Iterable[bytes], on_number: Callable[[str, int], None] | None = None) -> Iterator[Block]:
    """Yield the tables with their rows; each block has to be read before the next.

    ``on_number`` is told a table and the last number that it had given.
    """
    pending = iter(lines)
    for line in pending:
        found = _COPY.fullmatch(line)
        if found is not None:
            columns = [name.strip().strip('"') for name in found[2].decode().split(",")]
            yield Block(found[1].decode(), columns, _rows(pending))
            continue
        number = _SETVAL.fullmatch(line)
        if number is not None and on_number is not None:
            on_number(number[1].decode(), int(number[2]) if number[3] == b"true" else 0)


def _rows(lines: Iterator[bytes]) -> Iterator[bytes]:
    for line in lines:
        if line == _END:
            return
        yield line


def replace(
    database: Database,
    manifest: Manifest,
    lines: Iterable[bytes],
    on_progress: Callable[[int], None] | None = None,
) -> None:
    """Replace everything in queuectl's tables by an archive that was inspected before, in one transaction.

    Numbers that were given to tasks before are not given again.

    Raises:
        BadInputFileError: the rows do not fit into the tables.
        ConflictError: somebody else keeps a table locked.
        DatabaseUnreachableError: the connection is lost; whether the commit happened is then unknown.
    """
    with database.writing() as transaction:
        transaction.execute(f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT}'")
        transaction.may_rest()
        given = _empty(transaction, manifest.schema)
        copied: Counter[str] = Counter()
        for block in blocks(lines, lambda table, last: given.update({table: max(last, given.get(table, 0))})):
            for done in _copy(transaction, block):
                copied[block.table] += done
                if on_progress:
                    on_progress(copied["tasks"])
        stored = transaction.rows("SELECT COUNT(*) FROM tasks")[0][0]
        if not manifest.tasks == copied["tasks"] == stored:
            raise BadInputFileError(
                f"the archive was changed meanwhile: it held {manifest.tasks} tasks, and {stored} were stored"
            )
        for table in _NUMBERED:
            if given.get(table):
                transaction.execute(
                    "SELECT setval(pg_get_serial_sequence(%s, 'id'), %s) WHERE to_regclass(%s) IS NOT NULL",
                    (table, given[table], table),
                )


def _empty(transaction: Transaction, schema: int) -> dict[str, int]:
    """Leave the tables of a schema version, without rows; return the last numbers that were given before."""
    refuse_newer(transaction.database, version(transaction))
    present = [name for name in _NAMES if _exists(transaction, name)]
    given = {name: _last_number(transaction, name) for name in _NUMBERED if name in present}
    if version(transaction) != schema:
        if present:
            transaction.execute(f"DROP TABLE {', '.join(present)}")
        migrate_to(transaction, schema)
        present = [name for name in _NAMES if _exists(transaction, name)]
    transaction.execute(f"TRUNCATE {', '.join(present)}")
    return given


def _exists(transaction: Transaction, name: str) -> bool:
    return transaction.rows("SELECT to_regclass(%s) IS NOT NULL", (name,)) == [(True,)]


def _last_number(transaction: Transaction, table: str) -> int:
    return int(
        transaction.rows(f"SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM {table}_id_seq")[0][0]
    )


def _copy(transaction: Transaction, block: Block) -> Iterator[int]:
    """Copy a block's rows in groups, and yield the size of each."""
    if block.table not in _NAMES or not all(re.fullmatch(r"\w+", name) for name in block.columns):
        raise BadInputFileError(f"the archive holds a table {block.table!r:.80} that is not queuectl's")
    columns = ", ".join(f'"{name}"' for name in block.columns)
    cursor = transaction.database.cursor()
    source = _File(block.rows)
    try:
        with peewee.__exception_wrapper__:  # type: ignore[attr-defined]  # its type stubs leave it out
            while source.refill():
                cursor.copy_expert(f"COPY {block.table} ({columns}) FROM STDIN", source)
                yield source.lines
    except (
        peewee.DataError,
        peewee.IntegrityError,
        peewee.ProgrammingError,
        peewee.NotSupportedError,
    ) as error:
        raise BadInputFileError(
            f"the archive's rows do not fit into {block.table}: {' '.join(str(error).split())[:200]}"
        ) from error


class _File:
    """A group of rows as the file that the driver's COPY reads."""

    def __init__(self, rows: Iterator[bytes]) -> None:
        self._rows = rows
        self._text = b""
        self.lines = 0

    def refill(self) -> bool:
        """Take the next group; return False when there is none."""
        group = list(itertools.islice(self._rows, _TOLD_EVERY))
        self._text, self.lines = b"".join(group), len(group)
        return bool(group)

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes of the group."""
        if size < 0:
            size = len(self._text)
        part, self._text = self._text[:size], self._text[size:]
        return part
