"""The queues' switches and limits, and since when their oldest task is due."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from queuectl.domain.admission import QueueRules
from queuectl.domain.lifecycle import WAITING
from queuectl.domain.priority import QUEUES
from queuectl.domain.rate import RateLimit
from queuectl.store import counters
from queuectl.store.database import Row, Transaction
from queuectl.store.ready import NEXT_DUE, Place
from queuectl.store.rows import placeholders

_RULES = (
    "paused, max_size, rate_starts, rate_period, concurrency, host_gap, host_concurrency,"
    " task_timeout, memory_limit, max_retries, retry_backoff"
)

_SCORES_LOOKED_AT = 32


def rules(transaction: Transaction) -> dict[str, QueueRules]:
    """Return every queue's rules, in the order in which queues are served."""
    return _all_rules(transaction.rows(f"SELECT name, {_RULES} FROM queues"))


class Seen(NamedTuple):
    """What the pump asks at each look; the end of the longest hold of a host is by the database's clock.

    ``waiting`` are the queues that hold queued tasks by what is committed, ``next_due`` is when the next task
    falls due, in UTC milliseconds. None are the workers that nobody has asked for, and what there is none of.
    """

    rules: dict[str, QueueRules]
    waiting: set[str]
    longest_hold: int | None
    wanted_workers: int | None
    next_due: int | None


def seen_at_a_look(transaction: Transaction, node: str) -> Seen:
    """Return what people, hosts and time may have changed, in one way to the server and back.

    It lies between a submission and its start on an idle daemon.
    """
    read = transaction.rows(
        f"SELECT name, {_RULES}, line.tasks,"
        " (SELECT MAX(held_until) FROM hosts WHERE held_until IS NOT NULL),"
        " (SELECT wanted_workers FROM nodes WHERE id = %s),"
        f" ({NEXT_DUE}) FROM queues LEFT JOIN (SELECT queue, SUM(tasks) AS tasks FROM counters"
        " WHERE state = 'queued' GROUP BY queue) AS line ON line.queue = queues.name",
        (node,),
    )
    waiting = {row[0] for row in read if (row[-4] or 0) > 0}
    return Seen(_all_rules([row[:-4] for row in read]), waiting, *read[0][-3:])


def _all_rules(rows: Sequence[Row]) -> dict[str, QueueRules]:
    found = {row[0]: _rules(row) for row in rows}
    return {name: found.get(name) or QueueRules(name) for name in QUEUES}


def _rules(row: Row) -> QueueRules:
    name, paused, max_size, starts, period, *rest = row
    rate = None if starts is None else RateLimit(starts, period)
    return QueueRules(name, bool(paused), max_size, rate, *rest)


def lock(transaction: Transaction, queue: str) -> QueueRules:
    """Lock a queue's row, so that nobody else takes of it or changes it, and return its rules."""
    rows = transaction.rows(
        f"SELECT name, {_RULES} FROM queues WHERE name = %s{transaction.database.row_lock()}", (queue,)
    )
    return _rules(rows[0]) if rows else QueueRules(queue)


def lock_free(transaction: Transaction, names: Sequence[str]) -> dict[str, QueueRules]:
    """Lock the rows of those of these queues that nobody else has locked, and return their rules.

    It never waits, so it may come after any other lock.
    """
    rows = transaction.rows(
        f"SELECT name, {_RULES} FROM queues WHERE name IN ({placeholders(names)})"
        f" ORDER BY name{transaction.database.locking()}",
        names,
    )
    return {row[0]: _rules(row) for row in rows}


def lock_bounded(transaction: Transaction, names: Collection[str]) -> dict[str, tuple[int, int]]:
    """Lock the rows of those of these queues that have a largest size; return how many tasks wait, and that size.

    The rows are locked in the order of their names, so that no two submissions wait for each other,
    and before anything is counted, so that what others put in meanwhile is counted too.
    """
    limits: dict[str, int] = dict(
        transaction.rows(
            f"SELECT name, max_size FROM queues WHERE name IN ({placeholders(names)})"
            f" AND max_size IS NOT NULL ORDER BY name{transaction.database.row_lock()}",
            sorted(names),
        )
    )
    if not limits:
        return {}
    counts = counters.read(transaction)
    return {
        name: (sum(counts.get((name, state), 0) for state in WAITING), limit)
        for name, limit in limits.items()
    }


def set_limits(transaction: Transaction, rule: QueueRules) -> None:
    """Give a queue these limits."""
    rate = rule.rate_limit
    transaction.execute(
        "UPDATE queues SET max_size = %s, rate_starts = %s, rate_period = %s, concurrency = %s, host_gap = %s,"
        " host_concurrency = %s, task_timeout = %s, memory_limit = %s, max_retries = %s, retry_backoff = %s"
        " WHERE name = %s",
        (
            rule.max_size,
            None if rate is None else rate.starts,
            None if rate is None else rate.period_ms,
            rule.concurrency,
            rule.host_gap,
            rule.host_concurrency,
            rule.task_timeout,
            rule.memory_limit,
            rule.max_retries,
            rule.retry_backoff,
            rule.name,
        ),
    )


def lock_all(transaction: Transaction) -> None:
    """Lock all queues, so that nobody else plans or changes their rules until the transaction ends."""
    transaction.execute(f"SELECT name FROM queues ORDER BY name{transaction.database.row_lock()}")


def set_paused(transaction: Transaction, queue: str, *, paused: bool) -> bool:
    """Pause or resume a queue; return whether that changed anything."""
    cursor = transaction.execute(
        "UPDATE queues SET paused = %s WHERE name = %s AND paused <> %s", (paused * 1, queue, paused * 1)
    )
    return bool(cursor.rowcount)


def oldest_due(transaction: Transaction, queue: str) -> int | None:
    """Return the earliest due time among a queue's queued tasks, in UTC milliseconds.

    Within one score the first task of the index is the oldest, so that it takes one look for each
    score: for the first task of all and for the least urgent scores, whose tasks wait longest. With
    more scores than are looked at, an older task may be overlooked. So it may with aging, where only
    the first task is sure to be seen: none has waited longer than that one by more than the
    difference of their scores is worth in waiting.
    """
    mine = "FROM tasks WHERE state = 'queued' AND queue = %s"
    rows = transaction.rows(
        "WITH RECURSIVE ranks(rank, number) AS ("
        f"SELECT (SELECT MAX(rank) {mine}), 1 UNION ALL"
        f" SELECT (SELECT MAX(tasks.rank) {mine} AND tasks.rank < ranks.rank), number + 1 FROM ranks"
        " WHERE ranks.rank IS NOT NULL AND number < %s) SELECT MIN(due_at) FROM ("
        f"SELECT (SELECT MIN(due_at) {mine} AND tasks.rank = ranks.rank) AS due_at FROM ranks"
        f" UNION ALL SELECT * FROM (SELECT due_at {mine} ORDER BY rank, due_at, id LIMIT 1) AS first) AS found",
        (queue, queue, _SCORES_LOOKED_AT, queue, queue),
    )
    value: int | None = rows[0][0]
    return value


def heads(
    transaction: Transaction, after: Mapping[str, Place], limit: int, *, without: Sequence[str] = ()
) -> tuple[list[str], set[str]]:
    """Return the queue of each of the first ``limit`` queued tasks behind these places, in the order of their ranks.

    With ``without`` tasks of those handlers do not count, and the queues in which nothing else waits are
    returned too.
    """
    if not after:
        return [], set()
    condition, left_out = "", list[str]()
    if without:
        tail, value = transaction.database.none_of(without)
        condition, left_out = f" AND handler {tail}", [value]
    first = (
        "SELECT * FROM (SELECT queue, rank, due_at, id FROM tasks WHERE state = 'queued' AND queue = %s"
        f" AND (rank, due_at, id) > (%s, %s, %s){condition} ORDER BY rank, due_at, id LIMIT %s) AS head"
    )
    params = [value for queue, place in after.items() for value in (queue, *place, *left_out, limit)]
    query = " UNION ALL ".join([first] * len(after)) + " ORDER BY rank, due_at, id"
    found = [row[0] for row in transaction.rows(query, params)]
    return found[:limit], set(after).difference(found) if without else set()


def count_waiting(transaction: Transaction, queue: str) -> int:
    """Return how many of a queue's tasks have neither ended nor run."""
    counts = counters.read(transaction)
    return sum(counts.get((queue, state), 0) for state in WAITING)
