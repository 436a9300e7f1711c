"""Remove what ended long ago with all that belongs to it, in groups small enough for nobody to notice.

Every table of the schema has its place in one of the three lists below, which a test holds complete.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from queuectl.domain.lifecycle import State
from queuectl.store.database import Transaction
from queuectl.store.rows import placeholders

GOES_WITH_TASK = ("attempts", "dead_letters", "articles", "article_deliveries", "task_urls", "task_logs")
"""Tables whose rows name the task they belong to and are removed with it."""

STAYS = (
    "queues",
    "queue_starts",
    "hosts",
    "schedules",
    "ticks",
    "source_urls",
    "nodes",
    "counters",
    "facts",
    "audit",
    "undo_tasks",
    "undo_rows",
    "observations",
    "statistics",
    "failure_statistics",
    "web_tokens",
    "report_deliveries",
)
"""Tables that do not grow with the number of tasks, or whose users prune them as they go, or may forget nothing,
as the audit must not.

A schedule keeps its last thousand ticks, and statistics are kept as long as the settings say. What the source
of a schedule has had is never forgotten, or a feed's old articles would be submitted again.
"""


class Aged(NamedTuple):
    """A table with an age of its own: its key, and the condition that a row is older than the one parameter.

    ``foreseen`` is the condition for rows that will be old once all tasks that ended before are removed.
    ``along`` are pairs of a table whose rows go along, and its column that names the key.
    """

    table: str
    key: str
    old: str
    foreseen: str
    along: tuple[tuple[str, str], ...] = ()


AGED = (
    Aged(
        "batches",
        "id",
        "created_at < %s AND NOT EXISTS (SELECT 1 FROM tasks WHERE tasks.id BETWEEN batches.first_task"
        " AND batches.last_task AND tasks.batch_id = batches.id)",
        "created_at < %s AND NOT EXISTS (SELECT 1 FROM tasks WHERE tasks.id BETWEEN batches.first_task"
        " AND batches.last_task AND tasks.batch_id = batches.id"
        " AND (tasks.finished_at IS NULL OR tasks.finished_at >= %s))",
        along=(("batch_counters", "batch_id"),),
    ),
    Aged("changes", "id", "at < %s", "at < %s"),
    Aged("submission_keys", "id", "created_at < %s", "created_at < %s"),
)
"""Tables whose rows are removed by their own age; a batch and its counts stay as long as any of its tasks."""

Place = tuple[int, int]
"""Where a finished task stands among all: (finished_at, id)."""

FIRST: Place = (-1, 0)
"""The place before every finished task."""

_TASK = (("vid", "bigint"),)
_URL = (("vkey", "bigint"), ("vid", "bigint"))


@dataclass(slots=True)
class Removed:
    """How many rows were removed by table, and the published files of the articles among them."""

    rows: Counter[str] = field(default_factory=Counter)
    files: list[str] = field(default_factory=list)


def finished(transaction: Transaction, before: int, limit: int, after: Place = FIRST) -> list[Place]:
    """Return the places of tasks that ended before a moment, the oldest first, behind the place ``after``."""
    rows = transaction.rows(
        "SELECT finished_at, id FROM tasks WHERE finished_at IS NOT NULL AND finished_at >= %s"
        " AND (finished_at, id) > (%s, %s) AND finished_at < %s ORDER BY finished_at, id LIMIT %s",
        (after[0], *after, before, limit),
    )
    return [(ended, number) for ended, number in rows]


def remove(transaction: Transaction, ids: Sequence[int], before: int, *, keep_lettered: bool) -> Removed:
    """Remove those of these tasks that still are finished since before a moment, with what belongs to them.

    With ``keep_lettered`` a dead task stays as long as it has a dead letter. A task that somebody
    else has locked is passed over: it is on its way back to its queue.
    """
    removed = Removed()
    gone = _remove_tasks(transaction, ids, before, keep_lettered=keep_lettered)
    if not gone:
        return removed
    for _, queue, state, _ in gone:
        transaction.tally.enter(queue, State(state), -1)
    removed.rows["tasks"] = len(gone)
    values, params = transaction.database.values(_URL, [(key, number) for number, _, _, key in gone])
    cursor = transaction.execute(
        f"DELETE FROM task_urls WHERE (url_key, task_id) IN (SELECT vkey, vid FROM {values})", params
    )
    removed.rows["task_urls"] = cursor.rowcount
    values, params = transaction.database.values(_TASK, [(number,) for number, _, _, _ in gone])
    of_these = f"WHERE task_id IN (SELECT vid FROM {values})"
    paths = transaction.rows(f"DELETE FROM articles {of_these} RETURNING markdown_path, html_path", params)
    removed.rows["articles"] = len(paths)
    removed.files = [path for pair in paths for path in pair]
    for table in GOES_WITH_TASK:
        if table not in removed.rows:
            removed.rows[table] = transaction.execute(f"DELETE FROM {table} {of_these}", params).rowcount
    return removed


def _remove_tasks(
    transaction: Transaction, ids: Sequence[int], before: int, *, keep_lettered: bool
) -> list[tuple[int, str, str, int]]:
    values, params = transaction.database.values(_TASK, [(number,) for number in ids])
    kept = (
        " AND NOT EXISTS (SELECT 1 FROM dead_letters WHERE dead_letters.task_id = tasks.id)"
        if keep_lettered
        else ""
    )
    # Locked in the order of their numbers, as by every verb that locks several tasks.
    chosen = (
        f"SELECT id FROM tasks WHERE id IN (SELECT vid FROM {values}) AND finished_at < %s{kept}"
        f" ORDER BY id{transaction.database.locking()}"
    )
    rows = transaction.rows(
        f"DELETE FROM tasks WHERE id {transaction.database.any_of(chosen)} RETURNING id, queue, state, url_key",
        (*params, before),
    )
    return [(number, queue, state, key) for number, queue, state, key in rows]


def remove_aged(transaction: Transaction, before: int, limit: int) -> Counter[str]:
    """Remove up to ``limit`` rows of each table whose rows have an age of their own."""
    removed: Counter[str] = Counter()
    for each in AGED:
        gone = transaction.rows(
            f"DELETE FROM {each.table} WHERE {each.key} IN"
            f" (SELECT {each.key} FROM {each.table} WHERE {each.old} LIMIT %s) RETURNING {each.key}",
            (before, limit),
        )
        if not gone:
            continue
        removed[each.table] = len(gone)
        keys = [key for (key,) in gone]
        for table, column in each.along:
            cursor = transaction.execute(
                f"DELETE FROM {table} WHERE {column} IN ({placeholders(keys)})", keys
            )
            removed[table] = cursor.rowcount
    return removed


def count(transaction: Transaction, before: int) -> Counter[str]:
    """Count what a removal of everything that ended before a moment would take, by table; slow on a large database."""
    ended = "SELECT id FROM tasks WHERE finished_at IS NOT NULL AND finished_at < %s"
    found = Counter(tasks=transaction.rows(f"SELECT COUNT(*) FROM ({ended}) AS ended", (before,))[0][0])
    for table in GOES_WITH_TASK:
        rows = transaction.rows(f"SELECT COUNT(*) FROM {table} WHERE task_id IN ({ended})", (before,))
        found[table] = rows[0][0]
    for each in AGED:
        old = f"SELECT {each.key} FROM {each.table} WHERE {each.foreseen}"
        params = (before,) * each.foreseen.count("%s")
        for table, column in ((each.table, each.key), *each.along):
            rows = transaction.rows(f"SELECT COUNT(*) FROM {table} WHERE {column} IN ({old})", params)
            found[table] = rows[0][0]
    return found


def spare_bytes(transaction: Transaction) -> tuple[int, int]:
    """Return how many bytes of SQLite's file hold nothing, and how large it is; PostgreSQL says (0, its size)."""
    if transaction.database.engine == "postgresql":
        return 0, int(transaction.rows("SELECT pg_database_size(current_database())")[0][0])
    size, pages, free = (
        int(transaction.rows(f"PRAGMA {name}")[0][0])
        for name in ("page_size", "page_count", "freelist_count")
    )
    return free * size, pages * size
