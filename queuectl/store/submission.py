"""Put new tasks into the database: one by one with their ids, or by the hundred thousand."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import peewee

from queuectl.clock import now_ms
from queuectl.domain import priority
from queuectl.domain.lifecycle import State
from queuectl.errors import ConflictError, DuplicateTaskError
from queuectl.store import ordering
from queuectl.store.database import Transaction
from queuectl.store.failures import is_taken


class NewTask(NamedTuple):
    """A row to be inserted; the fields are columns of ``tasks``, whose rank follows from them."""

    url: str
    url_key: int
    host: str
    handler: str
    queue: str
    priority_score: int
    state: str
    due_at: int
    run_at: int | None
    created_at: int
    timeout: float | None
    memory_limit: int | None
    max_retries: int | None
    batch_id: int | None
    unique_key: int | None
    metadata: str


class StoredTask(NamedTuple):
    """A row as it is to be after the insertion, with what has happened to the task so far; its rank follows."""

    url: str
    url_key: int
    host: str
    handler: str
    queue: str
    priority_score: int
    state: str
    due_at: int
    run_at: int | None
    created_at: int
    timeout: float | None
    memory_limit: int | None
    max_retries: int | None
    batch_id: int | None
    unique_key: int | None
    metadata: str
    fence: int
    attempt: int
    released: int
    crashes: int
    started_at: int | None
    finished_at: int | None
    result: str | None
    error: str | None


_COLUMNS = ", ".join((*NewTask._fields, "rank"))
_BATCH_PLACE = NewTask._fields.index("batch_id")
_PLACES = ", ".join("%s" for _ in NewTask._fields)
_INSERT_RANKED = (
    f"INSERT INTO tasks ({_COLUMNS}) VALUES ({_PLACES}, {ordering.RANK_BY_STORED_AGING}) RETURNING id"
)
_INSERT_URL = "INSERT INTO task_urls (url_key, task_id) VALUES (%s, %s)"
_INSERT_WITH_URL = (
    f"WITH new AS ({_INSERT_RANKED}, url_key),"
    " urls AS (INSERT INTO task_urls (url_key, task_id) SELECT url_key, id FROM new) SELECT id FROM new"
)


def insert(transaction: Transaction, task: NewTask) -> int:
    """Insert one task and return its number.

    Raises:
        DuplicateTaskError: it is to be unique, and an open task for the same URL exists.
    """
    try:
        score = task.priority_score
        values = (*task, task.due_at, score, score)
        if (
            transaction.database.engine == "postgresql"
        ):  # one way to the server and back, where SQLite needs none
            number = int(transaction.rows(_INSERT_WITH_URL, values)[0][0])
        else:
            number = int(transaction.rows(_INSERT_RANKED, values)[0][0])
            transaction.execute(_INSERT_URL, (task.url_key, number))
    except peewee.IntegrityError as error:
        if not is_taken(error, "tasks.unique_key"):
            raise
        raise DuplicateTaskError(
            f"an open task for {task.url[:200]} exists already",
            hint=f"see: queuectl list --url '{task.url[:200]}'",
        ) from error
    transaction.tally.enter(task.queue, State(task.state))
    transaction.observed.count("submitted", task.created_at, task.queue, task.host)
    return number


def insert_many(transaction: Transaction, batch: int, tasks: Sequence[NewTask]) -> None:
    """Insert many tasks of a batch as fast as the engine can: COPY on PostgreSQL, one prepared statement on SQLite.

    Raises:
        DuplicateTaskError: one is to be unique, and an open task for the same URL exists.
    """
    before = last_number(transaction)
    point = ordering.stored_point(transaction, kept=True)
    rows = [
        (
            *(*task[:_BATCH_PLACE], batch, *task[_BATCH_PLACE + 1 :]),
            priority.rank_by_point(task.priority_score, task.due_at, point),
        )
        for task in tasks
    ]
    try:
        put_rows(transaction, "tasks", (*NewTask._fields, "rank"), rows)
    except peewee.IntegrityError as error:
        if not is_taken(error, "tasks.unique_key"):
            raise
        raise DuplicateTaskError(
            "a task of the batch is to be unique, and an open task for its URL exists already;"
            " nothing was submitted",
            hint="leave it out, or use --on-duplicate skip",
        ) from error
    transaction.execute(
        "INSERT INTO task_urls (url_key, task_id) SELECT url_key, id FROM tasks"
        " WHERE id > %s AND id <= %s AND batch_id = %s",
        (before, last_number(transaction), batch),
    )
    for (queue, state), count in Counter((task.queue, task.state) for task in tasks).items():
        transaction.tally.enter(queue, State(state), count)
    for (at, queue, host), count in Counter(
        (task.created_at, task.queue, task.host) for task in tasks
    ).items():
        transaction.observed.count("submitted", at, queue, host, count)


def insert_stored(transaction: Transaction, numbers: Sequence[int], tasks: Sequence[StoredTask]) -> None:
    """Insert tasks with their past under numbers from ``reserve``.

    Raises:
        ConflictError: one is to be unique, and an open task for the same URL came in meanwhile.
    """
    point = ordering.stored_point(transaction, kept=True)
    rows = [
        (number, *task, priority.rank_by_point(task.priority_score, task.due_at, point))
        for number, task in zip(numbers, tasks, strict=True)
    ]
    try:
        put_rows(transaction, "tasks", ("id", *StoredTask._fields, "rank"), rows)
    except peewee.IntegrityError as error:
        if not is_taken(error, "tasks.unique_key"):
            raise
        raise ConflictError(
            "a unique task for the same URL was submitted at this moment; nothing was imported",
            hint="try again",
        ) from error
    urls = sorted((task.url_key, number) for number, task in zip(numbers, tasks, strict=True))
    put_rows(transaction, "task_urls", ("url_key", "task_id"), urls)
    for (queue, state), count in Counter((task.queue, task.state) for task in tasks).items():
        transaction.tally.enter(queue, State(state), count)
    now = now_ms()
    for (queue, host), count in Counter((task.queue, task.host) for task in tasks).items():
        transaction.observed.count("imported", now, queue, host, count)
    for task in tasks:
        if task.batch_id is not None and task.finished_at is not None:
            # As if it had ended here: a batch's counts are those of its ends.
            transaction.tally.move_in_batch(task.batch_id, State.QUEUED, State(task.state), task.finished_at)


def reserve(transaction: Transaction, table: str, count: int) -> list[int]:
    """Return rising numbers for new rows of a table that nobody else has or will have."""
    if transaction.database.engine == "sqlite":
        first = last_number(transaction, table) + 1
        return list(range(first, first + count))
    rows = transaction.rows(f"SELECT nextval('{table}_id_seq') FROM generate_series(1, %s)", (count,))
    return [int(number) for (number,) in rows]


def put_rows(
    transaction: Transaction, table: str, columns: Sequence[str], rows: Sequence[Sequence[object]]
) -> None:
    """Insert rows as they are, as fast as the engine can; their counts and all that follows are the caller's."""
    names = ", ".join(columns)
    cursor = transaction.database.cursor()
    # Past Peewee's own calls the drivers' errors arrive as they are; this makes them Peewee's.
    with peewee.__exception_wrapper__:  # type: ignore[attr-defined]  # its type stubs leave it out
        if transaction.database.engine == "sqlite":
            marks = ", ".join("?" for _ in columns)
            cursor.executemany(f"INSERT INTO {table} ({names}) VALUES ({marks})", rows)
        else:
            text = io.StringIO("".join(map(_copy_line, rows)))
            cursor.copy_expert(f"COPY {table} ({names}) FROM STDIN", text)


def last_number(transaction: Transaction, table: str = "tasks") -> int:
    """Return a number that no row to come will have; others may be inserting at the same time."""
    if transaction.database.engine == "sqlite":
        rows = transaction.rows("SELECT seq FROM sqlite_sequence WHERE name = %s", (table,))
        return int(rows[0][0]) if rows else 0
    return int(
        transaction.rows(f"SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM {table}_id_seq")[0][0]
    )


def _copy_line(row: Sequence[object]) -> str:
    return "\t".join([r"\N" if value is None else _copy_text(value) for value in row]) + "\n"


def _copy_text(value: object) -> str:
    text = str(value)
    if "\\" in text:
        text = text.replace("\\", "\\\\")
    if "\t" in text or "\n" in text or "\r" in text:
        text = text.replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")
    return text


def open_urls(transaction: Transaction, tasks: Sequence[tuple[int, str]]) -> set[str]:
    """Return which of these (key, URL) pairs have an open task already.

    Each key's tasks are looked up by themselves: given a join, PostgreSQL reads the whole table
    when it has no statistics yet, as with every first import.
    """
    values, params = transaction.database.values((("vkey", "bigint"), ("vurl", "text")), tasks)
    candidates = transaction.database.any_of("SELECT task_id FROM task_urls WHERE task_urls.url_key = vkey")
    rows = transaction.rows(
        f"SELECT vurl FROM {values} WHERE EXISTS"
        f" (SELECT 1 FROM tasks WHERE id {candidates} AND url = vurl AND finished_at IS NULL)",
        params,
    )
    return {url for (url,) in rows}


def open_batch(transaction: Transaction, name: str | None, interval_minutes: float, now: int) -> int:
    """Create an empty batch and return its number."""
    row = transaction.rows(
        "INSERT INTO batches (name, created_at, interval_minutes, submitted, first_task, last_task)"
        " VALUES (%s, %s, %s, 0, %s, 0) RETURNING id",
        (name, now, interval_minutes, last_number(transaction) + 1),
    )[0]
    return int(row[0])


def close_batch(transaction: Transaction, batch: int, submitted: int) -> None:
    """Write how many tasks the batch has and between which numbers; one without any is taken away again."""
    if submitted:
        transaction.execute(
            "UPDATE batches SET submitted = %s, last_task = %s WHERE id = %s",
            (submitted, last_number(transaction), batch),
        )
    else:
        transaction.execute("DELETE FROM batches WHERE id = %s", (batch,))
