"""What transactions have done to tasks, one row for each, written with their moves and not yet in the statistics.

Whoever adds rows to the statistics takes them away in the same transaction. So each of them counts once,
however late it comes, whoever is killed, and whatever has been removed of the tasks meanwhile.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from queuectl.domain.observed import Observed

if TYPE_CHECKING:
    from queuectl.store.database import Transaction

_NUMBER = (("vid", "bigint"),)
_CONTENT = (("vcontent", "text"),)

_PART = 2_000
"""What a transaction has done to more hosts than these, such as a large batch, becomes several rows."""


class Observation(NamedTuple):
    """What one transaction has done; ``content`` is the text of an ``Observed``."""

    id: int
    content: str


def addition(transaction: Transaction) -> tuple[str, list[object]] | None:
    """Return the statement that keeps what this transaction has done, and its parameters."""
    if not transaction.observed:
        return None
    texts = [(part.text(),) for part in transaction.observed.parts(_PART)]
    values, params = transaction.database.values(_CONTENT, texts)
    return f"INSERT INTO observations (content) SELECT vcontent FROM {values}", params


def put(transaction: Transaction, observed: Observed) -> None:
    """Keep what has been done, by whomever."""
    transaction.execute("INSERT INTO observations (content) VALUES (%s)", (observed.text(),))


def first(transaction: Transaction, limit: int) -> list[Observation]:
    """Return up to ``limit`` rows that are not in the statistics yet, the oldest first."""
    rows = transaction.rows("SELECT id, content FROM observations ORDER BY id LIMIT %s", (limit,))
    return [Observation(*row) for row in rows]


def last(transaction: Transaction, limit: int) -> list[Observation]:
    """Return the newest rows that are not in the statistics yet."""
    rows = transaction.rows("SELECT id, content FROM observations ORDER BY id DESC LIMIT %s", (limit,))
    return [Observation(*row) for row in rows]


def count(transaction: Transaction, limit: int) -> int:
    """Return how many rows are not in the statistics yet, at most ``limit``."""
    rows = transaction.rows("SELECT COUNT(*) FROM (SELECT 1 FROM observations LIMIT %s) AS found", (limit,))
    return int(rows[0][0])


def take_away(transaction: Transaction, ids: Sequence[int]) -> int:
    """Remove these rows and return how many there were: others may have taken them."""
    values, params = transaction.database.values(_NUMBER, [(number,) for number in ids])
    cursor = transaction.execute(f"DELETE FROM observations WHERE id IN (SELECT vid FROM {values})", params)
    return int(cursor.rowcount)
