"""Read what an export takes along, and find and write what an import brings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from queuectl.domain.dead_letter import error_shape, failure_key
from queuectl.domain.selection import Selection
from queuectl.store import counters, selecting
from queuectl.store.database import Transaction
from queuectl.store.streaming import stream
from queuectl.store.submission import StoredTask, put_rows, reserve

TRAVELS = (
    "tasks",
    "task_urls",
    "attempts",
    "dead_letters",
    "batches",
    "batch_counters",
    "counters",
    "queues",
    "schedules",
    "source_urls",
)
"""Tables whose rows an export writes, or an import makes of what it brings."""

STAYS_BEHIND = (
    "articles",
    "article_deliveries",
    "task_logs",
    "changes",
    "ticks",
    "queue_starts",
    "hosts",
    "nodes",
    "facts",
    "audit",
    "undo_tasks",
    "undo_rows",
    "observations",
    "statistics",
    "failure_statistics",
    "web_tokens",
    "submission_keys",
    "report_deliveries",
)
"""Tables about what has happened in one installation alone; a copy of the database has all of them."""

_GROUP = 200
"""Tasks read at a time; each may carry a result of 1 MiB."""

_TASK = (
    "id, url, handler, queue, priority_score, state, metadata, batch_id, unique_key, timeout, memory_limit,"
    " max_retries, created_at, run_at, due_at, started_at, finished_at, fence, attempt, released, crashes,"
    " cancel_requested, result, error"
)
_ATTEMPT = "fence, attempt, node, started_at, finished_at, outcome, error, traceback, move, recorded_at"
_LETTER = "cause, error, attempts, died_at, resurrected_as, resurrected_at"
_FROM_TASK = (
    "queue", "url", "handler", "host", "batch_id", "priority_score", "timeout", "memory_limit", "max_retries",
    "unique_key", "metadata",
)  # fmt: skip
"""What a dead letter keeps of its task, so that it holds by itself all that a new task takes."""

_WANTED = (
    ("vplace", "bigint"),
    ("vkey", "bigint"),
    ("vurl", "text"),
    ("vhandler", "text"),
    ("vqueue", "text"),
    ("vcreated", "bigint"),
    ("vopen", "bigint"),
)


class ExportedTask(NamedTuple):
    """A task as an export reads it; ``metadata`` and ``result`` are JSON text."""

    id: int
    url: str
    handler: str
    queue: str
    priority_score: int
    state: str
    metadata: str
    batch_id: int | None
    unique_key: int | None
    timeout: float | None
    memory_limit: int | None
    max_retries: int | None
    created_at: int
    run_at: int | None
    due_at: int
    started_at: int | None
    finished_at: int | None
    fence: int
    attempt: int
    released: int
    crashes: int
    cancel_requested: int
    result: str | None
    error: str | None


class StoredAttempt(NamedTuple):
    """An ended run."""

    fence: int
    attempt: int
    node: str | None
    started_at: int
    finished_at: int
    outcome: str
    error: str | None
    traceback: str | None
    move: str
    recorded_at: int


class StoredLetter(NamedTuple):
    """What a dead letter says beyond what its task says; ``resurrected_as`` is the number of another task."""

    cause: str
    error: str | None
    attempts: int
    died_at: int
    resurrected_as: int | None = None
    resurrected_at: int | None = None


class StoredBatch(NamedTuple):
    """A batch without what follows from its tasks."""

    id: int
    name: str | None
    created_at: int
    interval_minutes: float


@dataclass(frozen=True, slots=True)
class BatchReach:
    """How many tasks a batch has, and the numbers of the first and the last one."""

    batch: int
    tasks: int
    first_task: int
    last_task: int


def tasks(transaction: Transaction, selection: Selection) -> Iterator[list[ExportedTask]]:
    """Yield the tasks that match in the order of their numbers, group by group."""
    place = selecting.where(transaction, selection, counters.read(transaction))
    query = f"SELECT {_TASK} FROM {place.sql} ORDER BY id"
    for rows in stream(transaction, query, place.params, size=_GROUP):
        yield [ExportedTask(*row) for row in rows]


def batches(transaction: Transaction, selection: Selection) -> Iterator[list[StoredBatch]]:
    """Yield the batches that have tasks among those that match."""
    place = selecting.where(transaction, selection, counters.read(transaction))
    members = f"SELECT tasks.batch_id FROM {place.also('tasks.batch_id IS NOT NULL').sql}"
    query = f"SELECT id, name, created_at, interval_minutes FROM batches WHERE id IN ({members}) ORDER BY id"
    for rows in stream(transaction, query, place.params, size=_GROUP):
        yield [StoredBatch(*row) for row in rows]


def attempts(transaction: Transaction, numbers: Sequence[int]) -> Iterator[tuple[int, StoredAttempt]]:
    """Yield the ended runs of these tasks, in the order of the tasks and for each the first one first."""
    values, params = transaction.database.values((("vid", "bigint"),), [(number,) for number in numbers])
    query = (
        f"SELECT task_id, {_ATTEMPT} FROM attempts WHERE task_id IN (SELECT vid FROM {values})"
        " ORDER BY task_id, fence"
    )
    for rows in stream(transaction, query, params, size=_GROUP):
        for task, *rest in rows:
            yield task, StoredAttempt(*rest)


def dead_letters(transaction: Transaction, numbers: Sequence[int]) -> dict[int, list[StoredLetter]]:
    """Return the dead letters of these tasks."""
    values, params = transaction.database.values((("vid", "bigint"),), [(number,) for number in numbers])
    found: dict[int, list[StoredLetter]] = {}
    for task, *rest in transaction.rows(
        f"SELECT task_id, {_LETTER} FROM dead_letters WHERE task_id IN (SELECT vid FROM {values}) ORDER BY id",
        params,
    ):
        found.setdefault(task, []).append(StoredLetter(*rest))
    return found


def conflicts(transaction: Transaction, tasks: Sequence[StoredTask], up_to: int) -> dict[int, int]:
    """Return the places of tasks that are here already, each with the number of such a task.

    That is one with a number up to ``up_to`` and the same URL and handler that was created at the same
    millisecond or, if both are open, stands in the same queue. A unique open task also conflicts with any
    unique open task of its URL, whatever its number.
    """
    rows = [
        (
            place,
            task.url_key,
            task.url,
            task.handler,
            task.queue,
            task.created_at,
            int(task.finished_at is None),
        )
        for place, task in enumerate(tasks)
    ]
    values, params = transaction.database.values(_WANTED, rows)
    candidates = transaction.database.any_of("SELECT task_id FROM task_urls WHERE task_urls.url_key = vkey")
    found = transaction.rows(
        "SELECT vplace, present FROM (SELECT vplace, (SELECT MIN(id) FROM tasks"
        f" WHERE id {candidates} AND id <= %s AND url = vurl AND handler = vhandler AND (created_at = vcreated"
        f" OR vopen = 1 AND finished_at IS NULL AND queue = vqueue)) AS present FROM {values}) AS looked_up"
        " WHERE present IS NOT NULL",
        (up_to, *params),
    )
    return dict(found)


def unique_keys_taken(transaction: Transaction, keys: Sequence[int]) -> dict[int, int]:
    """Return which of these unique keys an open task has, with its number."""
    values, params = transaction.database.values((("vkey", "bigint"),), [(key,) for key in keys])
    rows = transaction.rows(
        f"SELECT unique_key, id FROM {values} JOIN tasks ON unique_key = vkey WHERE finished_at IS NULL",
        params,
    )
    return dict(rows)


def insert_batches(transaction: Transaction, found: Sequence[StoredBatch]) -> list[int]:
    """Insert batches without tasks as yet and return their new numbers."""
    numbers = reserve(transaction, "batches", len(found))
    columns = ("id", "name", "created_at", "interval_minutes", "submitted", "first_task", "last_task")
    rows = [(number, *batch[1:], 0, 0, 0) for number, batch in zip(numbers, found, strict=True)]
    put_rows(transaction, "batches", columns, rows)
    return numbers


def close_batches(transaction: Transaction, reaches: Sequence[BatchReach]) -> None:
    """Write what these batches have got; those without a task are taken away again."""
    columns = (("vid", "bigint"), ("vtasks", "bigint"), ("vfirst", "bigint"), ("vlast", "bigint"))
    rows = [(each.batch, each.tasks, each.first_task, each.last_task) for each in reaches]
    values, params = transaction.database.values(columns, rows)
    transaction.execute(
        f"UPDATE batches SET submitted = vtasks, first_task = vfirst, last_task = vlast FROM {values}"
        " WHERE id = vid AND vtasks > 0",
        params,
    )
    transaction.execute(
        f"DELETE FROM batches WHERE id IN (SELECT vid FROM {values} WHERE vtasks = 0)", params
    )


def insert_attempts(transaction: Transaction, found: Sequence[tuple[int, StoredAttempt]]) -> None:
    """Insert ended runs of tasks."""
    put_rows(
        transaction,
        "attempts",
        ("task_id", *StoredAttempt._fields),
        [(number, *attempt) for number, attempt in found],
    )


def insert_dead_letters(
    transaction: Transaction, found: Sequence[tuple[int, StoredTask, StoredLetter]]
) -> list[int]:
    """Insert the dead letters of tasks as if none had been resurrected, and return their numbers."""
    numbers = reserve(transaction, "dead_letters", len(found))
    rows = []
    for number, (owner, task, letter) in zip(numbers, found, strict=True):
        shape = error_shape(letter.error)
        rows.append(
            (
                number,
                owner,
                *(getattr(task, name) for name in _FROM_TASK),
                letter.cause,
                letter.error,
                letter.attempts,
                letter.died_at,
                failure_key(letter.cause, shape),
                shape,
            )
        )
    columns = (
        "id", "task_id", *_FROM_TASK, "cause", "error", "attempts", "died_at", "failure", "shape",
    )  # fmt: skip
    put_rows(transaction, "dead_letters", columns, rows)
    return numbers


def link_resurrected(transaction: Transaction, found: Sequence[tuple[int, int, int]]) -> None:
    """Note for each (dead letter, task, time in UTC milliseconds) that the task came of the letter at that time."""
    columns = (("vid", "bigint"), ("vtask", "bigint"), ("vat", "bigint"))
    values, params = transaction.database.values(columns, found)
    transaction.execute(
        f"UPDATE dead_letters SET resurrected_as = vtask, resurrected_at = vat FROM {values} WHERE id = vid",
        params,
    )
