"""What is kept of operations so that they can be undone: read, compared with what is now, and forgotten."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from queuectl.domain.lifecycle import WAITING, State
from queuectl.store.audit import Former
from queuectl.store.database import Transaction

_WAITING = ", ".join(f"'{state}'" for state in sorted(WAITING))
_SAME = "tasks.fence = undo_tasks.fence"
_CAN_GO_BACK = (
    f"(undo_tasks.state IN ({_WAITING}) AND tasks.state = 'cancelled' AND {_SAME})"
    f" OR (undo_tasks.state = 'cancelled' AND tasks.state IN ({_WAITING}) AND {_SAME})"
)
_CAN_GET_SCORE = f"tasks.state IN ({_WAITING}) AND tasks.priority_score = undo_tasks.given_score"


def kept_tasks(transaction: Transaction, operation: int, after: int, limit: int) -> Sequence[Former]:
    """Return tasks as they were before an operation, on from a task's number, in order."""
    rows = transaction.rows(
        "SELECT task_id, state, score, fence, given_score FROM undo_tasks WHERE operation = %s AND task_id > %s"
        " ORDER BY task_id LIMIT %s",
        (operation, after, limit),
    )
    return [Former(number, State(state), *rest) for number, state, *rest in rows]


def foreseen(transaction: Transaction, operation: int, *, scores: bool) -> Counter[str]:
    """Count an operation's tasks by what undoing it comes to: ``done``, ``changed``, ``ran`` or ``missing``."""
    ran = "false" if scores else "undo_tasks.state = 'running'"
    rows = transaction.rows(
        f"SELECT CASE WHEN {ran} THEN 'ran' WHEN tasks.id IS NULL THEN 'missing'"
        f" WHEN {_CAN_GET_SCORE if scores else _CAN_GO_BACK} THEN 'done' ELSE 'changed' END AS outcome, COUNT(*)"
        " FROM undo_tasks LEFT JOIN tasks ON tasks.id = undo_tasks.task_id WHERE operation = %s GROUP BY 1",
        (operation,),
    )
    return Counter({outcome: int(number) for outcome, number in rows})


def sample(transaction: Transaction, operation: int, limit: int, *, scores: bool) -> list[int]:
    """Return the numbers of the first tasks that would be put back."""
    rows = transaction.rows(
        "SELECT task_id FROM undo_tasks JOIN tasks ON tasks.id = undo_tasks.task_id WHERE operation = %s"
        f" AND ({_CAN_GET_SCORE if scores else _CAN_GO_BACK}) ORDER BY task_id LIMIT %s",
        (operation, limit),
    )
    return [number for (number,) in rows]


def kept_row(transaction: Transaction, operation: int) -> str | None:
    """Return what else was kept of an operation, as JSON."""
    rows = transaction.rows("SELECT content FROM undo_rows WHERE operation = %s", (operation,))
    return str(rows[0][0]) if rows else None


def next_kept_row(transaction: Transaction, operation: int, after: int) -> tuple[int, str] | None:
    """Return the number and, as JSON, what was kept of the first line behind a number, None after the last one."""
    rows = transaction.rows(
        "SELECT number, content FROM audit JOIN undo_rows ON undo_rows.operation = audit.number"
        " WHERE audit.operation = %s AND audit.number > %s ORDER BY number LIMIT 1",
        (operation, after),
    )
    return (int(rows[0][0]), str(rows[0][1])) if rows else None


def rows_naming(transaction: Transaction, field: str) -> list[str]:
    """Return what is kept of operations, as JSON, where that names a field or only holds its name."""
    rows = transaction.rows("SELECT content FROM undo_rows WHERE content LIKE %s", (f'%"{field}"%',))
    return [content for (content,) in rows]


def unstarted(transaction: Transaction, batch: int, after: int, limit: int) -> dict[int, int]:
    """Return number and fence of the tasks of a batch that wait for their first run, on from a task's number."""
    rows = transaction.rows(
        "SELECT id, fence FROM tasks WHERE batch_id = %s AND id > %s AND finished_at IS NULL AND attempt = 0"
        " AND id BETWEEN (SELECT first_task FROM batches WHERE id = %s)"
        " AND (SELECT last_task FROM batches WHERE id = %s) ORDER BY id LIMIT %s",
        (batch, after, batch, batch, limit),
    )
    return dict(rows)


def count_of_batch(transaction: Transaction, batch: int) -> tuple[int, int]:
    """Return how many tasks of a batch wait for their first run, and how many it has in all."""
    rows = transaction.rows(
        "SELECT COALESCE(SUM(CASE WHEN finished_at IS NULL AND attempt = 0 THEN 1 ELSE 0 END), 0), COUNT(*) FROM tasks"
        " WHERE batch_id = %s AND id BETWEEN (SELECT first_task FROM batches WHERE id = %s)"
        " AND (SELECT last_task FROM batches WHERE id = %s)",
        (batch, batch, batch),
    )
    return int(rows[0][0]), int(rows[0][1])


def forget(transaction: Transaction, before: int, limit: int) -> tuple[int, list[str]]:
    """Forget how to undo what was done before a moment, in part: return how many rows that were, and their contents.

    At most ``limit`` tasks and as many other things; the contents are those of the latter.
    """
    last = transaction.rows("SELECT COALESCE(MAX(number), 0) FROM audit WHERE at < %s", (before,))[0][0]
    tasks = transaction.execute(
        "DELETE FROM undo_tasks WHERE (operation, task_id) IN (SELECT operation, task_id FROM undo_tasks"
        " WHERE operation <= %s ORDER BY operation, task_id LIMIT %s)",
        (last, limit),
    )
    rows = transaction.rows(
        "DELETE FROM undo_rows WHERE operation IN (SELECT operation FROM undo_rows WHERE operation <= %s"
        " ORDER BY operation LIMIT %s) RETURNING content",
        (last, limit),
    )
    return int(tasks.rowcount) + len(rows), [content for (content,) in rows]
