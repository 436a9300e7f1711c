"""The queues' switches and limits, and how long their oldest task has waited."""

from __future__ import annotations

from collections.abc import Sequence

from queuectl.domain.admission import QueueRules
from queuectl.domain.lifecycle import WAITING
from queuectl.domain.priority import QUEUES
from queuectl.domain.rate import RateLimit
from queuectl.store import counters
from queuectl.store.database import Row, Transaction

_RULES = (
    "paused, max_size, rate_starts, rate_period, concurrency, host_gap, host_concurrency,"
    " task_timeout, memory_limit, max_retries, retry_backoff"
)


def rules(transaction: Transaction) -> dict[str, QueueRules]:
    """Return every queue's rules, in the order in which queues are served."""
    rows = {row[0]: row for row in transaction.rows(f"SELECT name, {_RULES} FROM queues")}
    return {name: _rules(rows[name]) if name in rows else QueueRules(name) for name in QUEUES}


def _rules(row: Row) -> QueueRules:
    name, paused, max_size, starts, period, *rest = row
    rate = None if starts is None else RateLimit(starts, period)
    return QueueRules(name, bool(paused), max_size, rate, *rest)


def set_paused(transaction: Transaction, queue: str, *, paused: bool) -> bool:
    """Pause or resume a queue; return whether that changed anything."""
    cursor = transaction.execute(
        "UPDATE queues SET paused = %s WHERE name = %s AND paused <> %s", (paused * 1, queue, paused * 1)
    )
    return bool(cursor.rowcount)


def oldest_due(transaction: Transaction, queue: str) -> int | None:
    """Return the due time of the first task in a queue, in UTC milliseconds.

    It is the one that starts next, which among equal scores is also the oldest; looking for the
    oldest of all scores would mean reading the whole queue.
    """
    rows = transaction.rows(
        "SELECT due_at FROM tasks WHERE state = 'queued' AND queue = %s ORDER BY rank, due_at, id LIMIT 1",
        (queue,),
    )
    return int(rows[0][0]) if rows else None


def heads(transaction: Transaction, names: Sequence[str], limit: int) -> list[str]:
    """Return the queue of each of the first ``limit`` queued tasks of these queues, in the order of their ranks."""
    if not names:
        return []
    first = (
        "SELECT * FROM (SELECT queue, rank, due_at, id FROM tasks WHERE state = 'queued' AND queue = %s"
        " ORDER BY rank, due_at, id LIMIT %s) AS head"
    )
    params = [value for name in names for value in (name, limit)]
    rows = transaction.rows(
        " UNION ALL ".join([first] * len(names)) + " ORDER BY rank, due_at, id LIMIT %s", (*params, limit)
    )
    return [row[0] for row in rows]


def count_waiting(transaction: Transaction, queue: str) -> int:
    """Return how many of a queue's tasks have neither ended nor run."""
    counts = counters.read(transaction)
    return sum(counts.get((queue, state), 0) for state in WAITING)
