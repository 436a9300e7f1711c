"""Read the rows of a query that may have millions, a few at a time, on both engines."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence

from queuectl.store.database import Row, Transaction


def stream(
    transaction: Transaction, sql: str, params: Sequence[object] = (), *, size: int
) -> Iterator[list[Row]]:
    """Yield the rows in groups of ``size``; other queries of the same transaction may run in between.

    PostgreSQL's driver brings all rows of a query into memory at once, so there the server is told to
    keep a cursor. It ends when all rows are read, or with the transaction.
    """
    if transaction.database.engine == "sqlite":
        cursor = transaction.execute(sql, params)
        while rows := cursor.fetchmany(size):
            yield rows
        return
    name = f"queuectl_{secrets.token_hex(4)}"
    transaction.execute(f"DECLARE {name} NO SCROLL CURSOR FOR {sql}", params)
    while rows := transaction.rows(f"FETCH {size:d} FROM {name}"):
        yield rows
    transaction.execute(f"CLOSE {name}")
