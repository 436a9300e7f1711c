"""The daemons that use this database: who they are, when they were last heard of, and which are gone."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

from queuectl.clock import now_ms
from queuectl.store.database import Database, Transaction
from queuectl.store.rows import placeholders

_COLUMNS = (
    "id, host, pid, version, started_at, workers, running, transport, transport_up, per_minute, progress, handlers,"
    " kinds, held_back, role, caps, heartbeat_at, lease_until, clock_ahead"
)
_NUMBER = _COLUMNS.count(",") + 1

# Keeps the nodes' advisory locks apart from any other use of advisory locks in the same database.
_LOCK_SPACE = 1_903_260_017


@dataclass(frozen=True, slots=True)
class NodeReport:
    """One daemon as it describes itself; ``started_at`` is UTC milliseconds.

    JSON text are ``progress``, ``handlers``, the names that its tasks may use, ``kinds``, where each of them runs,
    and ``held_back``, those of which it takes nothing more, because their kind is at its cap. ``role`` is what it does:
    ``all``, ``worker`` or ``scheduler``, which has no workers. ``caps``, JSON text as well, says how many tasks of a
    kind it runs at a time where that is bounded.
    """

    id: str
    host: str
    pid: int
    version: str
    started_at: int
    workers: int
    running: int
    transport: str
    transport_up: int
    per_minute: float
    progress: str
    handlers: str
    kinds: str
    held_back: str
    role: str
    caps: str


@dataclass(frozen=True, slots=True)
class NodeRecord(NodeReport):
    """A report with the moment it was written and until when it holds, by the database's clock.

    ``clock_ahead`` is by how many milliseconds the node's own clock was ahead of that one.
    """

    heartbeat_at: int
    lease_until: int
    clock_ahead: int


def save(transaction: Transaction, node: NodeReport, lease_ms: int) -> None:
    """Write a node's description of itself; its lease begins now, by the clock that all nodes share."""
    now = transaction.now()
    transaction.execute(
        f"INSERT INTO nodes ({_COLUMNS}) VALUES ({', '.join(['%s'] * _NUMBER)})"
        " ON CONFLICT (id) DO UPDATE SET heartbeat_at = excluded.heartbeat_at, lease_until = excluded.lease_until,"
        " workers = excluded.workers, running = excluded.running, transport = excluded.transport,"
        " transport_up = excluded.transport_up, per_minute = excluded.per_minute, progress = excluded.progress,"
        " handlers = excluded.handlers, kinds = excluded.kinds, held_back = excluded.held_back,"
        " clock_ahead = excluded.clock_ahead",
        (*(getattr(node, name) for name in NodeReport.__slots__), now, now + lease_ms, now_ms() - now),
    )


def remove(transaction: Transaction, node: str) -> None:
    """Forget a node that has ended and holds no task."""
    transaction.execute("DELETE FROM nodes WHERE id = %s", (node,))


def every(transaction: Transaction) -> list[NodeRecord]:
    """Return all nodes, the oldest first."""
    rows = transaction.rows(f"SELECT {_COLUMNS} FROM nodes ORDER BY started_at, id")
    return [NodeRecord(*row) for row in rows]


def holders(transaction: Transaction) -> list[str]:
    """Return the nodes that hold tasks, also those that are not listed any more."""
    rows = transaction.rows("SELECT DISTINCT node FROM tasks WHERE node IS NOT NULL")
    return [row[0] for row in rows]


def want_workers(transaction: Transaction, node: str, workers: int) -> bool:
    """Note that a node is to run so many tasks at a time; return whether it is listed."""
    cursor = transaction.execute("UPDATE nodes SET wanted_workers = %s WHERE id = %s", (workers, node))
    return bool(cursor.rowcount)


def hear_cancel_requests(transaction: Transaction, node: str) -> list[tuple[int, int]]:
    """Hear, once each, of the tasks at work on ``node`` that a person wants to end; return (id, fence) of each.

    Whoever asked can read that it was heard. A row that somebody has locked is heard of next time.
    """
    # By the index of requests alone: that of the nodes leads past all that has run lately.
    wanted = "SELECT id FROM tasks WHERE cancel_requested = 1 AND node || '' = %s AND state = 'running'"
    rows: Sequence[tuple[int, int]] = transaction.rows(
        "UPDATE tasks SET cancel_requested = 2 WHERE id "
        + transaction.database.any_of(wanted + transaction.database.locking())
        + " RETURNING id, fence",
        (node,),
    )
    return list(rows)


def have_not_heard(transaction: Transaction, tasks: Sequence[int]) -> bool:
    """Tell whether a listed node on which one of the tasks runs has yet to hear that a person wants it to end."""
    found = transaction.rows(
        "SELECT 1 FROM tasks JOIN nodes ON nodes.id = tasks.node"
        f" WHERE tasks.id IN ({placeholders(tasks)}) AND state = 'running' AND cancel_requested = 1 LIMIT 1",
        tasks,
    )
    return bool(found)


class LifeLock:
    """The lock that PostgreSQL holds for a node while its connection lives, and frees at its death.

    It uses a connection of its own, on which nothing else runs.
    """

    def __init__(self, database: Database) -> None:
        self._database = Database(database.url)

    def take(self, node: str) -> bool:
        """Try to take a node's lock on this thread's connection; the server frees it when that ends."""
        with self._database.reading() as transaction:
            rows = transaction.rows("SELECT pg_try_advisory_lock(%s, %s)", (_LOCK_SPACE, _number(node)))
        return bool(rows[0][0])

    def session(self) -> int:
        """Return the server's number for the connection; another one means that locks were lost."""
        with self._database.reading() as transaction:
            return int(transaction.rows("SELECT pg_backend_pid()")[0][0])

    def free(self, node: str) -> None:
        """Give a node's lock back."""
        with self._database.reading() as transaction:
            transaction.execute("SELECT pg_advisory_unlock(%s, %s)", (_LOCK_SPACE, _number(node)))

    def is_held(self, node: str) -> bool:
        """Tell whether a live connection holds a node's lock."""
        if self.take(node):
            self.free(node)
            return False
        return True

    def close(self) -> None:
        """Close the connection, and with it free every lock it holds."""
        self._database.close()


def _number(node: str) -> int:
    return zlib.crc32(node.encode()) - 2**31
