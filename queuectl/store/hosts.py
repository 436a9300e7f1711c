"""What is known of hosts: when a task last started there, how many run, and which want to be left alone.

All moments are by the database's clock, which all nodes share.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from queuectl.domain.admission import HostUse
from queuectl.store.database import Transaction
from queuectl.store.rows import placeholders

_COLUMNS = (("vhost", "text"), ("vstart", "bigint"), ("vheld", "bigint"), ("vreason", "text"))
_LONGEST_REASON = 500


@dataclass(frozen=True, slots=True)
class HostNote:
    """What has happened to a host; moments are UTC milliseconds."""

    last_start_at: int | None = None
    held_until: int | None = None
    reason: str | None = None


def note(transaction: Transaction, notes: Mapping[str, HostNote]) -> None:
    """Write what has happened to hosts; of two moments the later one stays.

    The rows are sorted, so that two writers lock them in the same order.
    """
    rows = [
        (host, each.last_start_at, each.held_until, each.reason and each.reason[:_LONGEST_REASON])
        for host, each in sorted(notes.items())
    ]
    values, params = transaction.database.values(_COLUMNS, rows)
    transaction.execute(
        "INSERT INTO hosts (host, last_start_at, held_until, held_reason)"
        f" SELECT vhost, vstart, vheld, vreason FROM {values} WHERE true"
        " ON CONFLICT (host) DO UPDATE SET"
        " last_start_at = CASE WHEN hosts.last_start_at >= excluded.last_start_at OR excluded.last_start_at IS NULL"
        " THEN hosts.last_start_at ELSE excluded.last_start_at END,"
        " held_reason = CASE WHEN hosts.held_until >= excluded.held_until OR excluded.held_until IS NULL"
        " THEN hosts.held_reason ELSE excluded.held_reason END,"
        " held_until = CASE WHEN hosts.held_until >= excluded.held_until OR excluded.held_until IS NULL"
        " THEN hosts.held_until ELSE excluded.held_until END",
        params,
    )


def held(transaction: Transaction, now: int) -> dict[str, int]:
    """Return the hosts that want to be left alone, and until when."""
    return dict(
        transaction.rows(
            "SELECT host, held_until FROM hosts WHERE held_until IS NOT NULL AND held_until > %s", (now,)
        )
    )


def running(transaction: Transaction) -> Counter[str]:
    """Return how many tasks of each host run, over all queues and nodes."""
    rows = transaction.rows(
        "SELECT host, COUNT(*) FROM tasks WHERE node IS NOT NULL AND state = 'running' GROUP BY host"
    )
    return Counter({host: int(count) for host, count in rows})


def uses(transaction: Transaction, hosts: Collection[str], at_work: Mapping[str, int]) -> dict[str, HostUse]:
    """Return what the limits of these hosts have to be compared with; ``at_work`` is how many tasks of each run."""
    rows = transaction.rows(
        f"SELECT host, last_start_at, held_until FROM hosts WHERE host IN ({placeholders(hosts)})",
        tuple(hosts),
    )
    known = {host: (last_start_at, held_until) for host, last_start_at, held_until in rows}
    return {host: HostUse(at_work.get(host, 0), *known.get(host, (None, None))) for host in hosts}


def prune(transaction: Transaction, before: int, limit: int) -> int:
    """Forget hosts whose last start and whose hold ended before a moment, at most ``limit``; return how many."""
    chosen = (
        "SELECT host FROM hosts WHERE (last_start_at IS NULL OR last_start_at < %s)"
        f" AND (held_until IS NULL OR held_until < %s) ORDER BY host LIMIT %s{transaction.database.locking()}"
    )
    cursor = transaction.execute(
        f"DELETE FROM hosts WHERE host {transaction.database.any_of(chosen)}", (before, before, limit)
    )
    return int(cursor.rowcount)
