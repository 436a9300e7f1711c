"""Read what happened to tasks, newest first or on from a place: nothing is stored for it beyond their history.

Ends of runs and people's changes carry the moment of their writing by the database's clock, submissions
their task's number. A writer may commit a little after another that began later, so whoever follows
looks a little back and leaves out what it has seen.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from queuectl.domain.event import Event
from queuectl.domain.selection import Selection
from queuectl.store import selecting
from queuectl.store.database import Row, Transaction

_RUN = "attempts.task_id, attempts.fence, attempts.attempt, attempts.node, attempts.started_at"
_END = (
    f"{_RUN}, tasks.queue, attempts.finished_at, attempts.recorded_at, attempts.move, attempts.outcome,"
    " attempts.error"
)
_GROUP = 2_000


@dataclass(frozen=True, slots=True)
class Run:
    """A run that has begun: its identity, and the event of its start."""

    key: tuple[int, int]
    start: Event


@dataclass(frozen=True, slots=True)
class End:
    """A run that has ended, and when that was recorded, in UTC milliseconds by the database's clock."""

    run: Run
    recorded_at: int
    event: Event


def latest_ends(transaction: Transaction, selection: Selection, limit: int) -> list[End]:
    """Return the runs that were recorded last, the last one first."""
    condition, params = _condition(transaction, selection)
    rows = transaction.rows(
        f"SELECT {_END} FROM attempts JOIN tasks ON tasks.id = attempts.task_id WHERE {condition}"
        " ORDER BY attempts.recorded_at DESC, attempts.task_id DESC, attempts.fence DESC LIMIT %s",
        (*params, limit),
    )
    return [_end(row) for row in rows]


def ends_since(transaction: Transaction, selection: Selection, since: int) -> Iterator[End]:
    """Yield the runs recorded at or after a moment of the database's clock, in groups that each are one query."""
    condition, params = _condition(transaction, selection)
    place: tuple[int, int, int] = (since, 0, -1)
    while True:
        rows = transaction.rows(
            f"SELECT {_END} FROM attempts JOIN tasks ON tasks.id = attempts.task_id WHERE {condition}"
            " AND attempts.recorded_at >= %s"
            " AND (attempts.recorded_at, attempts.task_id, attempts.fence) > (%s, %s, %s)"
            " ORDER BY attempts.recorded_at, attempts.task_id, attempts.fence LIMIT %s",
            (*params, place[0], *place, _GROUP),
        )
        yield from map(_end, rows)
        if len(rows) < _GROUP:
            return
        place = (rows[-1][7], rows[-1][0], rows[-1][1])


def running(transaction: Transaction, selection: Selection) -> list[Run]:
    """Return the runs under way: as many as all daemons have in hand."""
    condition, params = _condition(transaction, selection)
    rows = transaction.rows(
        "SELECT tasks.id, tasks.fence, tasks.attempt, tasks.node, tasks.started_at, tasks.queue FROM tasks"
        f" WHERE tasks.node IS NOT NULL AND tasks.state = 'running' AND {condition}",
        params,
    )
    return [_run(row) for row in rows]


def latest_submissions(transaction: Transaction, selection: Selection, limit: int) -> list[Event]:
    """Return the submissions of the tasks with the highest numbers, the highest first."""
    condition, params = _condition(transaction, selection)
    rows = transaction.rows(
        f"SELECT id, created_at, queue FROM tasks WHERE {condition} ORDER BY id DESC LIMIT %s",
        (*params, limit),
    )
    return [Event(at, "submit", number, queue) for number, at, queue in rows]


def numbers_between(transaction: Transaction, first: int, last: int) -> list[int]:
    """Return the numbers of the tasks between two numbers, both included, in order."""
    rows = transaction.rows("SELECT id FROM tasks WHERE id BETWEEN %s AND %s ORDER BY id", (first, last))
    return [number for (number,) in rows]


def submissions_above(transaction: Transaction, selection: Selection, top: int) -> list[tuple[Event, bool]]:
    """Return the next submissions of tasks with higher numbers, in order, and whether each is selected."""
    condition, params = _condition(transaction, selection)
    rows = transaction.rows(
        f"SELECT id, created_at, queue, CASE WHEN {condition} THEN 1 ELSE 0 END FROM tasks WHERE id > %s"
        " ORDER BY id LIMIT %s",
        (*params, top, _GROUP),
    )
    return _submissions(rows)


def submissions_in(
    transaction: Transaction, selection: Selection, ranges: Sequence[tuple[int, int]]
) -> list[tuple[Event, bool]]:
    """Return the first submissions of tasks with numbers in these ranges, as ``submissions_above`` does."""
    if not ranges:
        return []
    condition, params = _condition(transaction, selection)
    values, numbers = transaction.database.values((("vfirst", "bigint"), ("vlast", "bigint")), ranges)
    rows = transaction.rows(
        f"SELECT id, created_at, queue, CASE WHEN {condition} THEN 1 ELSE 0 END FROM {values}"
        " JOIN tasks ON tasks.id BETWEEN vfirst AND vlast ORDER BY id LIMIT %s",
        (*params, *numbers, _GROUP),
    )
    return _submissions(rows)


def _submissions(rows: Sequence[Row]) -> list[tuple[Event, bool]]:
    return [(Event(at, "submit", number, queue), bool(chosen)) for number, at, queue, chosen in rows]


@dataclass(frozen=True, slots=True)
class Change:
    """What a person's command did to a group of tasks, at a moment of the database's clock."""

    number: int
    at: int
    events: list[Event]


def changes_since(transaction: Transaction, selection: Selection, since: int) -> list[Change]:
    """Return what people changed at or after a moment, the first first."""
    rows = transaction.rows(
        "SELECT id, at, move, tasks, detail FROM changes WHERE at >= %s ORDER BY at, id", (since,)
    )
    return [_change(transaction, selection, row) for row in rows]


def latest_changes(transaction: Transaction, selection: Selection, limit: int) -> list[Event]:
    """Return the latest single changes by people, the last one first."""
    events: list[Event] = []
    before = 2**62
    while len(events) < limit:
        rows = transaction.rows(
            "SELECT id, at, move, tasks, detail FROM changes WHERE id < %s ORDER BY id DESC LIMIT 20",
            (before,),
        )
        for row in rows:
            events.extend(reversed(_change(transaction, selection, row).events))
        if len(rows) < 20:
            break
        before = rows[-1][0]
    return events[:limit]


def _change(transaction: Transaction, selection: Selection, row: Row) -> Change:
    number, at, move, tasks, detail = row
    condition, params = _condition(transaction, selection)
    values, numbers = transaction.database.values(
        (("vid", "bigint"),), [(each,) for each in json.loads(tasks)]
    )
    rows = transaction.rows(
        f"SELECT id, queue FROM {values} JOIN tasks ON tasks.id = vid WHERE {condition} ORDER BY id",
        (*numbers, *params),
    )
    return Change(number, at, [Event(at, move, task, queue, why=detail) for task, queue in rows])


def _condition(transaction: Transaction, selection: Selection) -> tuple[str, tuple[object, ...]]:
    place = selecting.where(transaction, selection, {})
    return " AND ".join(place.conditions) or "true", place.params


def _run(row: Row) -> Run:
    task, fence, attempt, node, started_at, queue = row[:6]
    return Run((task, fence), Event(started_at, "start", task, queue, attempt, node))


def _end(row: Row) -> End:
    task, _, attempt, node, _, queue, finished_at, recorded_at, move, outcome, error = row
    why = None if move == "succeed" else error or outcome
    return End(_run(row), recorded_at, Event(finished_at, move, task, queue, attempt, node, why))
