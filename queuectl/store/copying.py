"""Copy every table from one database into another, whichever engines they are on, and compare them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import peewee

from queuectl.store import counters, migrate
from queuectl.store.database import Row, Transaction
from queuectl.store.schema import TABLES
from queuectl.store.streaming import stream
from queuectl.store.submission import last_number, put_rows
from queuectl.store.table import Table

_GROUP = 200
"""Rows at a time; an article or a result may have megabytes."""

_MADE_WITH_THE_SCHEMA = ("queues", "facts")
"""Tables that are not empty in a database that nobody has used; the copy replaces their rows."""

_SETTINGS = ("queues", "facts", "schedules")
"""Small tables that people change without submitting or moving a task."""


@dataclass(frozen=True, slots=True)
class TableSum:
    """What is in a table: how many rows, and a sum over their contents that does not depend on their order."""

    table: str
    rows: int
    sum: str


def names() -> list[str]:
    """Return the names of all tables that are copied."""
    return [_name(table) for table in TABLES]


def schema_version(transaction: Transaction) -> int:
    """Return the version of the schema, 0 for a database without one."""
    return migrate.version(transaction)


def used_table(transaction: Transaction) -> str | None:
    """Return the name of a table that somebody has put rows into, None for an unused database."""
    for name in names():
        if name not in _MADE_WITH_THE_SCHEMA and transaction.rows(f"SELECT 1 FROM {name} LIMIT 1"):
            return name
    return None


def count(transaction: Transaction) -> int:
    """Return the number of rows of all tables together."""
    return sum(int(transaction.rows(f"SELECT COUNT(*) FROM {name}")[0][0]) for name in names())


def copy(source: Transaction, target: Transaction, on_rows: Callable[[int], None]) -> list[TableSum]:
    """Copy all rows into a target that nobody has used, and return what was read in each table.

    Rows keep their numbers, and the target goes on numbering where the source has stopped. ``on_rows`` is
    told the size of each group that is done.
    """
    for name in _MADE_WITH_THE_SCHEMA:
        target.execute(f"DELETE FROM {name}")
    found: list[TableSum] = []
    for table in TABLES:
        summing = _Summing(_name(table))
        for rows in _rows(source, table):
            summing.add(rows)
            put_rows(target, summing.table, _columns(table), rows)
            on_rows(len(rows))
        if isinstance(table._meta.primary_key, peewee.AutoField):
            _go_on_behind(target, summing.table, last_number(source, summing.table))
        found.append(summing.result())
    return found


def sums(transaction: Transaction) -> list[TableSum]:
    """Return what is in each table."""
    found: list[TableSum] = []
    for table in TABLES:
        summing = _Summing(_name(table))
        for rows in _rows(transaction, table):
            summing.add(rows)
        found.append(summing.result())
    return found


def marks(transaction: Transaction) -> object:
    """Return what is different as soon as anybody submits or moves a task, or changes a setting or a schedule."""
    numbered = [
        last_number(transaction, _name(table))
        for table in TABLES
        if isinstance(table._meta.primary_key, peewee.AutoField)
    ]
    settings = [transaction.rows(f"SELECT * FROM {name} ORDER BY 1") for name in _SETTINGS]
    return numbered, counters.read(transaction), settings


class _Summing:
    """Sum up the rows of a table."""

    def __init__(self, table: str) -> None:
        self.table = table
        self._rows = 0
        self._total = 0

    def add(self, rows: Sequence[Row]) -> None:
        self._rows += len(rows)
        for row in rows:
            digest = hashlib.blake2b(repr(tuple(row)).encode("utf-8", "surrogatepass"), digest_size=16)
            self._total += int.from_bytes(digest.digest(), "big")

    def result(self) -> TableSum:
        return TableSum(self.table, self._rows, f"{self._total % 2**128:032x}")


def _rows(transaction: Transaction, table: type[Table]) -> Iterator[list[Row]]:
    return stream(transaction, f"SELECT {', '.join(_columns(table))} FROM {_name(table)}", size=_GROUP)


def _columns(table: type[Table]) -> list[str]:
    return [field.column_name for field in table._meta.sorted_fields]


def _name(table: type[Table]) -> str:
    name: str = table._meta.table_name
    return name


def _go_on_behind(transaction: Transaction, table: str, number: int) -> None:
    """Let the next new row of a table have the number behind ``number``."""
    if transaction.database.engine == "postgresql":
        transaction.execute(f"SELECT setval('{table}_id_seq', %s, %s)", (max(number, 1), number > 0))
        return
    changed = transaction.execute("UPDATE sqlite_sequence SET seq = %s WHERE name = %s", (number, table))
    if not changed.rowcount and number:
        transaction.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (%s, %s)", (table, number))
