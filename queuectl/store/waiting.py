"""Where a task stands among those that wait, found by index and never by counting further than asked."""

from __future__ import annotations

from dataclasses import dataclass

from queuectl.store.database import Transaction
from queuectl.store.ready import Place


@dataclass(frozen=True, slots=True)
class Standing:
    """What only explanations need to know of a task; ``released`` counts the runs that were not charged."""

    place: Place
    host: str
    released: int
    node: str | None


def standing(transaction: Transaction, number: int) -> Standing | None:
    """Return where a task stands, whatever its state."""
    rows = transaction.rows(
        "SELECT rank, due_at, id, host, released, node FROM tasks WHERE id = %s", (number,)
    )
    return None if not rows else Standing((rows[0][0], rows[0][1], rows[0][2]), *rows[0][3:])


def before(transaction: Transaction, queue: str, place: Place, most: int) -> int:
    """Return how many queued tasks of a queue come before a place, at most ``most``."""
    # Key by key: compared as rows, SQLite would also read all that share the first two keys, as a batch's tasks do.
    queued = "SELECT 1 FROM tasks WHERE state = 'queued' AND queue = %s"
    rank, due_at, number = place
    parts = (
        (f"{queued} AND rank < %s", (queue, rank)),
        (f"{queued} AND rank = %s AND due_at < %s", (queue, rank, due_at)),
        (f"{queued} AND rank = %s AND due_at = %s AND id < %s", (queue, rank, due_at, number)),
    )
    found = 0
    for part, params in parts:
        rows = transaction.rows(
            f"SELECT COUNT(*) FROM ({part} ORDER BY rank, due_at, id LIMIT %s) AS ahead",
            (*params, most - found),
        )
        found += int(rows[0][0])
        if found >= most:
            break
    return found


def first_queued(transaction: Transaction, queue: str, limit: int) -> list[int]:
    """Return the numbers of the tasks of a queue that start next, in the order of their start."""
    rows = transaction.rows(
        "SELECT id FROM tasks WHERE state = 'queued' AND queue = %s ORDER BY rank, due_at, id LIMIT %s",
        (queue, limit),
    )
    return [number for (number,) in rows]


def first_due(transaction: Transaction, limit: int) -> list[int]:
    """Return the numbers of the tasks that fall due next, the first of them first."""
    rows = transaction.rows(
        "SELECT id FROM tasks WHERE state IN ('scheduled', 'retrying') ORDER BY due_at, id LIMIT %s", (limit,)
    )
    return [number for (number,) in rows]


def held_because(transaction: Transaction, host: str) -> str | None:
    """Return what a host said when it asked to be left alone."""
    rows = transaction.rows("SELECT held_reason FROM hosts WHERE host = %s", (host,))
    return rows[0][0] if rows else None


def mean_run_ms(transaction: Transaction, since: int, most: int) -> float | None:
    """Return how long the last runs of tasks that ended since a moment took on average; None if there were none."""
    rows = transaction.rows(
        "SELECT AVG(finished_at - started_at) FROM (SELECT finished_at, started_at FROM tasks"
        " WHERE finished_at IS NOT NULL AND finished_at >= %s ORDER BY finished_at DESC LIMIT %s) AS latest",
        (since, most),
    )
    return None if rows[0][0] is None else float(rows[0][0])
