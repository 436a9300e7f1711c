"""Dead letters: written with the move that buries a task, found by what they have in common, marked, and purged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from queuectl.domain.dead_letter import (
    DeadLetter,
    DeadLetterSelection,
    FailureGroup,
    error_shape,
    failure_key,
)
from queuectl.domain.ending import Ending
from queuectl.domain.visible import storable
from queuectl.store.database import Transaction
from queuectl.store.rows import placeholders

_LETTER = ", ".join(DeadLetter.__slots__)
_BURIED = (
    ("vtask", "bigint"),
    ("vqueue", "text"),
    ("vurl", "text"),
    ("vhandler", "text"),
    ("vcause", "text"),
    ("verror", "text"),
    ("vattempts", "bigint"),
    ("vdied", "bigint"),
    ("vfailure", "text"),
    ("vshape", "text"),
)
# What the task was submitted with goes along, so that a letter holds by itself all that a new task takes.
_KEPT = "host, batch_id, priority_score, timeout, memory_limit, max_retries, unique_key, metadata"


@dataclass(frozen=True, slots=True)
class Remains:
    """What it takes to submit a dead letter's task anew; ``metadata`` is JSON text."""

    id: int
    url: str
    handler: str
    priority_score: int
    timeout: float | None
    memory_limit: int | None
    max_retries: int | None
    unique_key: int | None
    metadata: str
    resurrected_as: int | None


def bury(transaction: Transaction, endings: Sequence[Ending]) -> None:
    """Write a dead letter for each of these ends."""
    if not endings:
        return
    values, params = transaction.database.values(_BURIED, [_buried_row(ending) for ending in endings])
    picks = ", ".join(f"tasks.{name}" for name in _KEPT.split(", "))
    transaction.execute(
        "INSERT INTO dead_letters"
        f" (task_id, queue, url, handler, cause, error, attempts, died_at, failure, shape, {_KEPT})"
        f" SELECT vtask, vqueue, vurl, vhandler, vcause, verror, vattempts, vdied, vfailure, vshape, {picks}"
        f" FROM {values} JOIN tasks ON tasks.id = vtask ORDER BY vdied, vtask",
        params,
    )


def _buried_row(ending: Ending) -> tuple[object, ...]:
    work, cause, shape = ending.work, ending.cause or "", error_shape(ending.error)
    runs = work.attempt - work.released
    return (
        work.id,
        work.queue,
        work.url,
        work.handler,
        cause,
        ending.error,
        runs,
        ending.finished_at,
        failure_key(cause, shape),
        shape,
    )


def drop(transaction: Transaction, tasks: Sequence[int]) -> None:
    """Remove the dead letters of tasks that a person has sent back to their queues."""
    transaction.execute(f"DELETE FROM dead_letters WHERE task_id IN ({placeholders(tasks)})", tuple(tasks))


class Dropped(NamedTuple):
    """What of a dropped letter its task does not tell; times in UTC milliseconds."""

    id: int
    task_id: int
    cause: str
    attempts: int
    died_at: int
    failure: str
    shape: str
    resurrected_as: int | None
    resurrected_at: int | None


_DROPPED = (
    ("vid", "bigint"),
    ("vtask", "bigint"),
    ("vcause", "text"),
    ("vattempts", "bigint"),
    ("vdied", "bigint"),
    ("vfailure", "text"),
    ("vshape", "text"),
    ("vresurrected", "bigint"),
    ("vresurrectedat", "bigint"),
)


def before_drop(transaction: Transaction, tasks: Sequence[int]) -> list[Dropped]:
    """Return what it takes to bring back the letters that ``drop`` would remove."""
    rows = transaction.rows(
        f"SELECT {', '.join(Dropped._fields)} FROM dead_letters WHERE task_id IN ({placeholders(tasks)})"
        " ORDER BY id",
        tuple(tasks),
    )
    return [Dropped(*row) for row in rows]


def put_back(transaction: Transaction, letters: Sequence[Dropped]) -> None:
    """Bring back dropped letters under their numbers."""
    if not letters:
        return
    values, params = transaction.database.values(_DROPPED, letters)
    picks = ", ".join(f"tasks.{name}" for name in f"queue, url, handler, error, {_KEPT}".split(", "))
    transaction.execute(
        f"INSERT INTO dead_letters ({', '.join(Dropped._fields)}, queue, url, handler, error, {_KEPT})"
        f" SELECT {', '.join(name for name, _ in _DROPPED)}, {picks} FROM {values} JOIN tasks ON tasks.id = vtask"
        " ORDER BY vid",
        params,
    )


def forget_resurrection(transaction: Transaction, tasks: Sequence[int]) -> None:
    """Let letters be as if these tasks had never come of them."""
    transaction.execute(
        "UPDATE dead_letters SET resurrected_as = NULL, resurrected_at = NULL"
        f" WHERE resurrected_as IN ({placeholders(tasks)})",
        tuple(tasks),
    )


def one(transaction: Transaction, number: int) -> DeadLetter | None:
    """Return one dead letter by its number."""
    rows = transaction.rows(f"SELECT {_LETTER} FROM dead_letters WHERE id = %s", (number,))
    return DeadLetter(*rows[0]) if rows else None


def of_task(transaction: Transaction, task: int) -> DeadLetter | None:
    """Return the newest dead letter of a task."""
    rows = transaction.rows(
        f"SELECT {_LETTER} FROM dead_letters WHERE task_id = %s ORDER BY id DESC LIMIT 1", (task,)
    )
    return DeadLetter(*rows[0]) if rows else None


def newest(transaction: Transaction) -> int:
    """Return the highest number of a dead letter, 0 if there is none."""
    return int(transaction.rows("SELECT COALESCE(MAX(id), 0) FROM dead_letters")[0][0])


def find(
    transaction: Transaction, selection: DeadLetterSelection, limit: int, *, oldest_first: bool = False
) -> list[DeadLetter]:
    """Return up to ``limit`` of the dead letters that match, the newest first unless told otherwise."""
    where, params = _matching(transaction, selection)
    order = "id" if oldest_first else "id DESC"
    rows = transaction.rows(
        f"SELECT {_LETTER} FROM dead_letters WHERE {where} ORDER BY {order} LIMIT %s", (*params, limit)
    )
    return [DeadLetter(*row) for row in rows]


def count(transaction: Transaction, selection: DeadLetterSelection) -> int:
    """Return how many dead letters match, at most ``selection.limit``."""
    where, params = _matching(transaction, selection)
    if selection.limit is None:
        rows = transaction.rows(f"SELECT COUNT(*) FROM dead_letters WHERE {where}", params)
    else:
        rows = transaction.rows(
            f"SELECT COUNT(*) FROM (SELECT 1 FROM dead_letters WHERE {where} LIMIT %s) AS found",
            (*params, selection.limit),
        )
    return int(rows[0][0])


def groups(transaction: Transaction, selection: DeadLetterSelection, limit: int) -> list[FailureGroup]:
    """Return the kinds of failure among the dead letters that match, the most frequent first."""
    where, params = _matching(transaction, selection)
    rows = transaction.rows(
        "SELECT failure, COUNT(*), MIN(died_at), MAX(died_at), MAX(id) FROM dead_letters"
        f" WHERE {where} GROUP BY failure ORDER BY 2 DESC, 5 DESC LIMIT %s",
        (*params, limit),
    )
    newest = [row[4] for row in rows]
    examples = {
        row[0]: DeadLetter(*row)
        for row in transaction.rows(
            f"SELECT {_LETTER} FROM dead_letters WHERE id IN ({placeholders(newest)})", newest
        )
    }
    return [
        FailureGroup(
            failure, examples[number].cause, examples[number].shape, letters, first, last, examples[number]
        )
        for failure, letters, first, last, number in rows
    ]


def remains(
    transaction: Transaction, selection: DeadLetterSelection, limit: int, last: int | None = None
) -> list[Remains]:
    """Lock the first ``limit`` of the dead letters that match, and return what is left of their tasks.

    Those behind the number ``last`` are left out: a walk through them must not meet what it makes itself.
    """
    where, params = _matching(transaction, selection)
    if last is not None:
        where, params = f"{where} AND id <= %s", [*params, last]
    rows = transaction.rows(
        f"SELECT {', '.join(Remains.__slots__)} FROM dead_letters WHERE {where}"
        f" ORDER BY id LIMIT %s{transaction.database.row_lock()}",
        (*params, limit),
    )
    return [Remains(*row) for row in rows]


def mark_resurrected(transaction: Transaction, made: Sequence[tuple[int, int]], now: int) -> None:
    """Note for each (dead letter, task) that the task came of the letter."""
    values, params = transaction.database.values((("vid", "bigint"), ("vtask", "bigint")), made)
    transaction.execute(
        f"UPDATE dead_letters SET resurrected_as = vtask, resurrected_at = %s FROM {values} WHERE id = vid",
        (now, *params),
    )


def purge(transaction: Transaction, before: int, limit: int) -> int:
    """Remove up to ``limit`` of the dead letters of tasks that died before a moment, the oldest first."""
    chosen = "SELECT id FROM dead_letters WHERE died_at < %s ORDER BY died_at, id LIMIT %s"
    cursor = transaction.execute(
        "DELETE FROM dead_letters WHERE id "
        + transaction.database.any_of(chosen + transaction.database.locking()),
        (before, limit),
    )
    return int(cursor.rowcount)


def _matching(transaction: Transaction, selection: DeadLetterSelection) -> tuple[str, list[object]]:
    conditions, params = ["true"], list[object]()
    if not selection.resurrected:
        conditions.append("resurrected_as IS NULL")
    for column, wanted in (("id", selection.ids), ("queue", selection.queues)):
        if wanted:
            conditions.append(f"{column} IN ({placeholders(wanted)})")
            params.extend(wanted)
    for condition, value in (
        ("batch_id = %s", selection.batch),
        ("host = %s", selection.host and storable(selection.host.lower())),
        (transaction.database.contains("url"), selection.url and storable(selection.url)),
        (transaction.database.contains("error"), selection.error and storable(selection.error)),
        ("cause = %s", selection.cause and storable(selection.cause)),
        ("failure = %s", selection.failure and storable(selection.failure)),
        ("died_at >= %s", selection.since),
        ("died_at < %s", selection.until),
        ("id > %s", selection.after),
    ):
        if value is not None:
            conditions.append(condition)
            params.append(value)
    return " AND ".join(conditions), params
