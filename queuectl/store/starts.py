"""How many tasks of a queue have started: what rate limits and limits of concurrency are compared with.

For each queue whose rate is limited there are rows of a moment and of the number of all starts up
to then, so that the starts of any window are the difference of two rows. A row's moment is the
latest at which its starts may have happened, by the database's clock; moments never go back.
Whoever writes here holds the lock on the queue's row.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from queuectl.domain.admission import QueueRules, QueueUse
from queuectl.domain.rate import RateLimit
from queuectl.store import counters
from queuectl.store.database import Transaction

_LAST = "SELECT total FROM queue_starts WHERE queue = %s"
_USE = (
    f"SELECT CAST(%s AS TEXT), COALESCE(({_LAST} ORDER BY at DESC LIMIT 1), 0),"
    f" COALESCE(({_LAST} AND at <= %s ORDER BY at DESC LIMIT 1), 0)"
)
_SEED_COLUMNS = (("vat", "bigint"), ("vtotal", "bigint"))


def uses(transaction: Transaction, rules: Iterable[QueueRules], now: int) -> dict[str, QueueUse]:
    """Return what the limits of these queues have to be compared with; ``now`` is the database's clock.

    Under the locks of the queues' rows it is exact; without them it was so at the last commit.
    """
    named = {rule.name: rule for rule in rules}
    counting = [name for name, rule in named.items() if rule.concurrency is not None]
    at_work = counters.at_work(transaction, counting) if counting else {}
    limits = {name: rule.rate_limit for name, rule in named.items() if rule.rate_limit is not None}
    started = _started(transaction, limits, now) if limits else {}
    return {name: QueueUse(at_work.get(name, 0), *started.get(name, (0, None))) for name in named}


def _started(
    transaction: Transaction, limits: dict[str, RateLimit], now: int
) -> dict[str, tuple[int, int | None]]:
    params = [value for name, limit in limits.items() for value in (name, name, name, now - limit.period_ms)]
    rows = transaction.rows(" UNION ALL ".join([_USE] * len(limits)), params)
    found: dict[str, tuple[int, int | None]] = {}
    for name, last, before in rows:
        limit, started = limits[name], int(last - before)
        full = started >= limit.starts
        found[name] = started, _next_start(transaction, name, limit, int(last), now) if full else None
    return found


def _next_start(transaction: Transaction, queue: str, limit: RateLimit, last: int, now: int) -> int | None:
    """Return when enough starts have left the window that it has room for one more."""
    rows = transaction.rows(
        "SELECT at FROM queue_starts WHERE queue = %s AND at > %s AND total > %s ORDER BY at LIMIT 1",
        (queue, now - limit.period_ms, last - limit.starts),
    )
    return int(rows[0][0]) + limit.period_ms if rows else None


def moments(transaction: Transaction, rule: QueueRules, now: int) -> list[int]:
    """Return the moments of a queue's starts that its rate limit counts now, the earliest first."""
    limit = rule.rate_limit
    if limit is None:
        return []
    rows = transaction.rows(
        "SELECT at, total - COALESCE(LAG(total) OVER (ORDER BY at), 0) FROM queue_starts WHERE queue = %s"
        " ORDER BY at",
        (rule.name,),
    )
    counted = [int(at) for at, count in rows if at > now - limit.period_ms for _ in range(int(count))]
    return counted[-limit.starts :]


def note(transaction: Transaction, queue: str, count: int, at: int) -> None:
    """Count starts that happen at this moment at the latest, by the database's clock; see ``RateLimit.stamp``."""
    transaction.execute(
        "INSERT INTO queue_starts (queue, at, total)"
        " SELECT CAST(%s AS TEXT), CASE WHEN last.at > %s THEN last.at ELSE %s END, COALESCE(last.total, 0) + %s"
        " FROM (SELECT 1 AS one) AS here LEFT JOIN"
        " (SELECT at, total FROM queue_starts WHERE queue = %s ORDER BY at DESC LIMIT 1) AS last ON true WHERE true"
        " ON CONFLICT (queue, at) DO UPDATE SET total = excluded.total",
        (queue, at, at, count, queue),
    )


def refund(transaction: Transaction, queue: str, counts: Mapping[int, int]) -> None:
    """Take back starts that were counted at a moment and did not happen."""
    for at, count in counts.items():
        transaction.execute(
            "UPDATE queue_starts SET total = total - %s WHERE queue = %s AND at >= %s", (count, queue, at)
        )


def begin(transaction: Transaction, rule: QueueRules, now: int) -> None:
    """Begin to count the starts of a queue whose rate limit was set just now, or end it if that was removed.

    What started within the period is counted as far as it is known: what runs, what waits for a
    retry and what has ended since.
    """
    transaction.execute("DELETE FROM queue_starts WHERE queue = %s", (rule.name,))
    limit, guard = rule.rate_limit, rule.start_guard_ms
    if limit is None or guard is None:
        return
    rows = _past_starts(transaction, rule.name, since=now - limit.period_ms - guard)
    counts: dict[int, int] = {}
    for started_at, count in rows:
        at = limit.stamp(started_at + guard)
        counts[at] = counts.get(at, 0) + count
    total, seeds = 0, []
    for at, count in sorted(counts.items()):
        total += count
        seeds.append((at, total))
    if seeds:
        values, params = transaction.database.values(_SEED_COLUMNS, seeds)
        transaction.execute(
            f"INSERT INTO queue_starts (queue, at, total) SELECT CAST(%s AS TEXT), vat, vtotal FROM {values}",
            (rule.name, *params),
        )


def _past_starts(transaction: Transaction, queue: str, *, since: int) -> list[tuple[int, int]]:
    running = "FROM tasks WHERE node IS NOT NULL AND state = 'running' AND queue = %s"
    ran = (
        f"SELECT id {running}"
        " UNION ALL SELECT id FROM tasks WHERE finished_at > %s AND queue = %s"
        " UNION ALL SELECT id FROM tasks WHERE state IN ('scheduled', 'retrying') AND started_at > %s AND queue = %s"
    )
    rows = transaction.rows(
        f"SELECT started_at, COUNT(*) FROM (SELECT started_at {running} UNION ALL"
        f" SELECT attempts.started_at FROM ({ran}) AS ran JOIN attempts ON attempts.task_id = ran.id) AS starts"
        " WHERE started_at > %s GROUP BY started_at",
        (queue, queue, since, queue, since, queue, since),
    )
    return [(int(at), int(count)) for at, count in rows]


def prune(transaction: Transaction, rules: Sequence[QueueRules], now: int, limit: int) -> int:
    """Delete rows that no window reaches any more, at most ``limit`` for each queue; return how many."""
    deleted = 0
    for rule in rules:
        if rule.rate_limit is None:
            continue
        # The last row before the window stays: from it the window is counted.
        old = (
            "SELECT at FROM queue_starts WHERE queue = %s AND at <"
            " (SELECT MAX(at) FROM queue_starts WHERE queue = %s AND at <= %s) ORDER BY at LIMIT %s"
        )
        cursor = transaction.execute(
            f"DELETE FROM queue_starts WHERE queue = %s AND at {transaction.database.any_of(old)}",
            (rule.name, rule.name, rule.name, now - rule.rate_limit.period_ms, limit),
        )
        deleted += cursor.rowcount
    return deleted
