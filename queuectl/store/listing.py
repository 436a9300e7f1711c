"""Read tasks and batches: one by its number, those that match a selection page by page, or how many there are."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from queuectl.domain.batch import Batch
from queuectl.domain.lifecycle import WAITING, State
from queuectl.domain.selection import DEFAULT_LIMIT, Cursor, Selection, Sort
from queuectl.domain.task import Task
from queuectl.store import counters, history, selecting
from queuectl.store.database import Row, Transaction
from queuectl.store.rows import placeholders
from queuectl.store.selecting import Where

By = Literal["state", "queue", "host", "batch", "handler"]

_COLUMNS = (
    "id, url, handler, queue, priority_score, state, fence, attempt, max_retries, timeout, memory_limit, batch_id,"
    " metadata, created_at, run_at, due_at, started_at, finished_at, cancel_requested, error, result"
)
_WIDTH = _COLUMNS.count(",") + 1

_COURSE = ["running", "dispatched", "queued", "retrying", "scheduled", "dead", "cancelled", "succeeded"]
_PLACE = "CASE tasks.state {} END".format(
    " ".join(f"WHEN '{state}' THEN {place}" for place, state in enumerate(_COURSE))
)
_GROUPS: Mapping[By, str] = {
    "state": "tasks.state",
    "queue": "tasks.queue",
    "host": "tasks.host",
    "batch": "tasks.batch_id",
    "handler": "tasks.handler",
}


@dataclass(frozen=True, slots=True)
class _Order:
    """The keys of an order, all rising or all falling, and the tasks that have a place in it."""

    keys: tuple[str, ...]
    falls: bool = False
    only: str | None = None


_ORDERS: Mapping[Sort, _Order] = {
    Sort.CREATED: _Order(("tasks.id",), falls=True),
    Sort.DUE: _Order(
        ("tasks.due_at", "tasks.id"),
        only="tasks.state IN ('scheduled', 'queued', 'dispatched', 'retrying')",
    ),
    Sort.FINISHED: _Order(
        ("tasks.finished_at", "tasks.id"), falls=True, only="tasks.finished_at IS NOT NULL"
    ),
    Sort.SCORE: _Order(("tasks.rank", "tasks.due_at", "tasks.id")),
    Sort.STATE: _Order((_PLACE, "-tasks.id")),
}


@dataclass(frozen=True, slots=True)
class Page:
    """Some tasks of a list, and where it goes on; None where this is its end."""

    tasks: list[Task]
    following: Cursor | None


def task(transaction: Transaction, number: int) -> Task | None:
    """Return a task with its attempts."""
    rows = transaction.rows(f"SELECT {_COLUMNS} FROM tasks WHERE id = %s", (number,))
    if not rows:
        return None
    found = _task(rows[0])
    return Task(
        **{name: getattr(found, name) for name in Task.__slots__}
        | {"attempts": history.attempts_of(transaction, number)}
    )


def tasks(transaction: Transaction, selection: Selection) -> list[Task]:
    """Return the tasks that match, the newest first, without their attempts."""
    return page(transaction, selection).tasks


def page(
    transaction: Transaction, selection: Selection, sort: Sort = Sort.CREATED, after: Cursor | None = None
) -> Page:
    """Return the tasks that match in an order, from its beginning or from behind ``after``, without their attempts.

    Sorted by due time only waiting tasks are listed, and by the time of their end only those that have ended.
    """
    if sort is Sort.DUE:
        selection = selection.narrowed(WAITING)
    limit = DEFAULT_LIMIT if selection.limit is None else selection.limit
    order = _ORDERS[sort]
    place = selecting.where(transaction, selection, counters.read(transaction))
    if order.only:
        place = place.also(order.only)
    if after is not None:
        sign = "<" if order.falls else ">"
        marks = ", ".join("%s" for _ in order.keys)
        place = place.also(f"({', '.join(order.keys)}) {sign} ({marks})", *after.keys)
    names = [f"k{number}" for number in range(len(order.keys))]
    rows = transaction.rows(
        _paged(place, order, names),
        (*place.params, limit),
    )
    found = [_task(row[:_WIDTH]) for row in rows]
    following = Cursor(sort, tuple(rows[-1][_WIDTH:])) if rows and len(rows) == limit else None
    return Page(found, following)


def _paged(place: Where, order: _Order, names: list[str]) -> str:
    """Return the query that finds the places of a page's tasks first and reads only their rows."""
    keys = ", ".join(f"{key} AS {name}" for key, name in zip(order.keys, names, strict=True))
    direction = ", ".join(f"{name} DESC" if order.falls else name for name in names)
    inner = f"SELECT tasks.id AS found, {keys} FROM {place.sql}"
    if place.read_all:
        # Kept apart from the order, so that neither engine walks through all tasks in that order instead.
        inner = f"WITH few AS MATERIALIZED ({inner}) SELECT * FROM few"
    return (
        f"SELECT {_COLUMNS}, {', '.join(names)} FROM ({inner} ORDER BY {direction} LIMIT %s) AS page"
        f" JOIN tasks ON tasks.id = page.found ORDER BY {direction}"
    )


def reach(transaction: Transaction, selection: Selection, sort: Sort) -> int:
    """Return how many stored tasks may have to be read for such a list, at the most."""
    narrowed = selection.narrowed(WAITING) if sort is Sort.DUE else selection
    return selecting.reach(narrowed, sort, counters.read(transaction))


def walk(
    transaction: Transaction, selection: Selection, *, above: int, up_to: int, limit: int
) -> list[tuple[int, State]]:
    """Return number and state of the next tasks that match, in the order of their numbers."""
    place = selecting.where(transaction, selection, counters.read(transaction))
    place = place.also("tasks.id > %s AND tasks.id <= %s", above, up_to)
    inner = f"SELECT tasks.id AS found, tasks.state AS present FROM {place.sql}"
    if place.read_all:
        inner = f"WITH few AS MATERIALIZED ({inner}) SELECT * FROM few"
    rows = transaction.rows(f"{inner} ORDER BY found LIMIT %s", (*place.params, limit))
    return [(number, State(state)) for number, state in rows]


def newest(transaction: Transaction) -> int:
    """Return the highest number of a task, 0 if there is none."""
    return int(transaction.rows("SELECT COALESCE(MAX(id), 0) FROM tasks")[0][0])


def count(transaction: Transaction, selection: Selection) -> int:
    """Return how many tasks match: from the kept counts where they tell, else by reading."""
    counts = counters.read(transaction)
    kept = selecting.counted(selection, counts)
    if kept is not None:
        return sum(kept.values())
    place = selecting.where(transaction, selection, counts)
    return int(transaction.rows(f"SELECT COUNT(*) FROM {place.sql}", place.params)[0][0])


def count_by(
    transaction: Transaction, selection: Selection, by: By, limit: int | None = None
) -> list[tuple[str | int | None, int]]:
    """Return how many tasks match for each value of a column, the most frequent first."""
    counts = counters.read(transaction)
    kept = selecting.counted(selection, counts)
    if kept is not None and by in ("state", "queue"):
        sums: Counter[str | int | None] = Counter()
        for (queue, state), number in kept.items():
            sums[queue if by == "queue" else state.value] += number
        return sums.most_common(limit)
    place = selecting.where(transaction, selection, counts)
    rows = transaction.rows(
        f"SELECT {_GROUPS[by]}, COUNT(*) FROM {place.sql} GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT %s",
        (*place.params, limit if limit is not None else 2**62),
    )
    return [(value, int(number)) for value, number in rows]


def states_of(transaction: Transaction, numbers: list[int]) -> dict[int, State]:
    """Return the state of each of these tasks that exists."""
    rows = transaction.rows(f"SELECT id, state FROM tasks WHERE id IN ({placeholders(numbers)})", numbers)
    return {number: State(state) for number, state in rows}


def batch(transaction: Transaction, number: int) -> Batch | None:
    """Return a batch by its number."""
    rows = transaction.rows(
        "SELECT id, name, created_at, interval_minutes, submitted FROM batches WHERE id = %s", (number,)
    )
    return Batch(*rows[0]) if rows else None


def _task(row: Row) -> Task:
    values = list(row)
    values[5] = State(values[5])
    values[12] = json.loads(values[12])
    values[18] = bool(values[18])
    values[20] = None if values[20] is None else json.loads(values[20])
    return Task(*values)
