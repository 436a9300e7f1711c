"""Read the rows of a query that may have millions, a few at a time, on both engines."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence

import peewee

from queuectl.store.database import Row, Transaction


def stream(
    transaction: Transaction, sql: str, params: Sequence[object] = (), *, size: int
) -> Iterator[list[Row]]:
    """Yield the rows in groups of ``size``; other queries of the same transaction may run in between.

    PostgreSQL's usual cursor brings all rows into memory at once, one that has a name does not. If the
    caller stops early, the end of the transaction closes the cursor.
    """
    connection = transaction.database.peewee.connection()
    # Past Peewee's own calls the drivers' errors arrive as they are; this makes them Peewee's.
    with peewee.__exception_wrapper__:  # type: ignore[attr-defined]  # its type stubs leave it out
        if transaction.database.engine == "sqlite":
            cursor = connection.execute(sql.replace("%s", "?"), tuple(params))
        else:
            cursor = connection.cursor(name=f"queuectl_{secrets.token_hex(4)}")
            cursor.execute(sql, tuple(params))
    while rows := _fetched(cursor, size):
        yield rows
    cursor.close()


def _fetched(cursor: object, size: int) -> list[Row]:
    with peewee.__exception_wrapper__:  # type: ignore[attr-defined]  # as above
        rows: list[Row] = cursor.fetchmany(size)  # type: ignore[attr-defined]  # either driver's cursor
    return rows
