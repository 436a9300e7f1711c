"""What runs logged: parts of at most a few thousand lines, written while a task runs and with its end."""

from __future__ import annotations

import json
from collections.abc import Sequence

from queuectl.domain.task_log import LogLine, LogPart
from queuectl.store.database import Transaction

_COLUMNS = (
    ("vtask", "bigint"),
    ("vfence", "bigint"),
    ("vfirst", "bigint"),
    ("vattempt", "bigint"),
    ("vlines", "text"),
)

PartKey = tuple[int, int, int]
"""Task, fence, and the number of the part's first line."""


def save(transaction: Transaction, parts: Sequence[LogPart]) -> None:
    """Write parts; one that was written before, in a transaction whose end went unheard, is replaced."""
    rows = [(each.task, each.fence, each.first, each.attempt, _text(each)) for each in parts]
    values, params = transaction.database.values(_COLUMNS, rows)
    transaction.execute(
        "INSERT INTO task_logs (task_id, fence, first_line, attempt, lines)"
        f" SELECT vtask, vfence, vfirst, vattempt, vlines FROM {values} WHERE true"
        " ON CONFLICT (task_id, fence, first_line) DO UPDATE SET lines = excluded.lines",
        params,
    )


def drop(transaction: Transaction, parts: Sequence[PartKey]) -> None:
    """Remove parts from the middle of logs that have become too long."""
    for part in parts:
        transaction.execute(
            "DELETE FROM task_logs WHERE task_id = %s AND fence = %s AND first_line = %s", part
        )


def read(transaction: Transaction, task: int, after: tuple[int, int] = (0, -1)) -> list[LogPart]:
    """Return a task's parts in order, those of the first run first; only those behind (fence, first line)."""
    rows = transaction.rows(
        "SELECT task_id, fence, attempt, lines FROM task_logs"
        " WHERE task_id = %s AND (fence, first_line) > (%s, %s) ORDER BY fence, first_line",
        (task, *after),
    )
    return [
        LogPart(number, fence, attempt, tuple(LogLine(*line) for line in json.loads(lines)))
        for number, fence, attempt, lines in rows
    ]


def _text(part: LogPart) -> str:
    return json.dumps(
        [[line.number, line.at, line.level, line.text] for line in part.lines], ensure_ascii=False
    )
