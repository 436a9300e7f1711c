"""The sums by minute, hour and day: added to, read, and removed when they are old."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from queuectl.domain.observed import COUNTED, Seen
from queuectl.domain.statistics import Piece, Step, Subject
from queuectl.store.database import Transaction
from queuectl.store.submission import put_rows

_FACT = "statistics"
_MEASURES = ("waited_ms", "longest_wait_ms", "waits", "ran_ms", "longest_run_ms", "runs")
_KEY = ("step", "subject", "start", "name")
_FAILURE_KEY = ("step", "start", "queue", "failure")
_FAILURE_REST = ("cause", "shape", "retried", "dead")

Place = tuple[Step, Subject, int, str]
"""A row: its step, by what it counts, when it begins in UTC milliseconds, and the name of the queue or host."""

FailurePlace = tuple[Step, int, str, str]
"""A row: its step, when it begins, the queue, and the key of the failure."""


@dataclass(slots=True)
class Failed:
    """How often runs have failed in one way."""

    cause: str
    shape: str
    retried: int = 0
    dead: int = 0


@dataclass(slots=True)
class Sums:
    """What is to be added, by row."""

    seen: dict[Place, Seen] = field(default_factory=dict)
    failed: dict[FailurePlace, Failed] = field(default_factory=dict)

    def at(self, place: Place) -> Seen:
        """Return what is to be added to a row."""
        seen = self.seen.get(place)
        if seen is None:
            seen = self.seen[place] = Seen()
        return seen


class Named(NamedTuple):
    """What a row says of a queue or a host, and when it begins."""

    start: int
    name: str
    seen: Seen


class NamedFailure(NamedTuple):
    """What a row says of a way to fail."""

    queue: str
    failure: str
    failed: Failed


class RecentCounts(NamedTuple):
    """The runs of a queue, those that failed, the tasks that they ended, and when the first of their minutes began."""

    queue: str
    attempts: int
    failed: int
    ended: int
    first: int


@dataclass(frozen=True, slots=True)
class Progress:
    """When was added up last, and since when there are rows of each step; in UTC milliseconds, 0 for never and ever."""

    added_at: int
    kept_since: Mapping[Step, int]


def lock(transaction: Transaction) -> Progress | None:
    """Lock the statistics until the end of the transaction; None if somebody else has."""
    rows = transaction.rows(
        f"SELECT value FROM facts WHERE name = %s{transaction.database.locking()}", (_FACT,)
    )
    return _progress(rows[0][0]) if rows else None


def progress(transaction: Transaction) -> Progress:
    """Return how far the statistics are."""
    return _progress(transaction.rows("SELECT value FROM facts WHERE name = %s", (_FACT,))[0][0])


def save_progress(transaction: Transaction, reached: Progress) -> None:
    """Keep how far the statistics are; they are locked."""
    value = {"added_at": reached.added_at} | {step.value: since for step, since in reached.kept_since.items()}
    transaction.execute("UPDATE facts SET value = %s WHERE name = %s", (json.dumps(value), _FACT))


def names(transaction: Transaction, step: Step, subject: Subject, start: int) -> set[str]:
    """Return the names that a minute, hour or day has rows of."""
    rows = transaction.rows(
        "SELECT name FROM statistics WHERE step = %s AND subject = %s AND start = %s", (step, subject, start)
    )
    return {name for (name,) in rows}


def failures(transaction: Transaction, step: Step, start: int, queue: str) -> set[str]:
    """Return the ways to fail that a minute, hour or day of a queue has rows of."""
    rows = transaction.rows(
        "SELECT failure FROM failure_statistics WHERE step = %s AND start = %s AND queue = %s",
        (step, start, queue),
    )
    return {failure for (failure,) in rows}


def add(transaction: Transaction, sums: Sums) -> None:
    """Add to the rows; the caller has locked the statistics."""
    for place, seen in _taken(transaction, sums.seen):
        sums.seen[place].merge(seen)
    put_rows(transaction, "statistics", (*_KEY, *COUNTED, *_MEASURES), [*map(_row, sums.seen.items())])
    for kind, failed in _taken_failures(transaction, sums.failed):
        sums.failed[kind].retried += failed.retried
        sums.failed[kind].dead += failed.dead
    rows = [(*place, each.cause, each.shape, each.retried, each.dead) for place, each in sums.failed.items()]
    put_rows(transaction, "failure_statistics", (*_FAILURE_KEY, *_FAILURE_REST), rows)


def read(transaction: Transaction, subject: Subject, pieces: Iterable[Piece]) -> list[Named]:
    """Return what is in the rows of these pieces of time."""
    columns = ", ".join(("start", "name", *COUNTED, *_MEASURES))
    return [
        Named(row[0], row[1], _seen(row[2:]))
        for piece in pieces
        for row in transaction.rows(
            f"SELECT {columns} FROM statistics WHERE step = %s AND subject = %s AND start >= %s AND start < %s",
            (piece.step, subject, piece.start, piece.end),
        )
    ]


def recent(transaction: Transaction, since: int) -> dict[str, RecentCounts]:
    """Return what is in the rows of the minutes from a moment on, for each queue with runs in them."""
    rows = transaction.rows(
        "SELECT name, SUM(attempts), SUM(retried + dead), SUM(succeeded + dead), MIN(start) FROM statistics"
        " WHERE step = 'minute' AND subject = 'queue' AND start >= %s AND attempts > 0 GROUP BY name",
        (since,),
    )
    return {queue: RecentCounts(queue, *map(int, counts)) for queue, *counts in rows}


def read_failures(transaction: Transaction, pieces: Iterable[Piece]) -> list[NamedFailure]:
    """Return the ways to fail in these pieces of time."""
    return [
        NamedFailure(queue, failure, Failed(cause, shape, int(retried), int(dead)))
        for piece in pieces
        for queue, failure, cause, shape, retried, dead in transaction.rows(
            "SELECT queue, failure, MIN(cause), MIN(shape), SUM(retried), SUM(dead) FROM failure_statistics"
            " WHERE step = %s AND start >= %s AND start < %s GROUP BY queue, failure",
            (piece.step, piece.start, piece.end),
        )
    ]


def remove(transaction: Transaction, step: Step, before: int, limit: int) -> int:
    """Remove up to about ``limit`` rows of each kind of one step that began before a moment; return how many."""
    removed = 0
    for table, condition in (
        ("statistics", "subject = 'queue' AND "),
        ("statistics", "subject = 'host' AND "),
        ("failure_statistics", ""),
    ):
        # Of one step the rows lie in the order of their time, so this reads no more than it removes.
        until = transaction.rows(
            f"SELECT MAX(start) FROM (SELECT start FROM {table} WHERE step = %s AND {condition}start < %s"
            " ORDER BY start LIMIT %s) AS oldest",
            (step, before, limit),
        )[0][0]
        if until is not None:
            removed += transaction.execute(
                f"DELETE FROM {table} WHERE step = %s AND {condition}start <= %s", (step, until)
            ).rowcount
    return removed


def _progress(text: str) -> Progress:
    value = json.loads(text)
    return Progress(value.get("added_at", 0), {step: value.get(step.value, 0) for step in Step})


def _taken(transaction: Transaction, places: Collection[Place]) -> Iterable[tuple[Place, Seen]]:
    """Remove the rows that are there already, and return what they said."""
    wanted = (("vstep", "text"), ("vsubject", "text"), ("vstart", "bigint"), ("vname", "text"))
    values, params = transaction.database.values(wanted, [*places])
    rows = transaction.rows(
        "DELETE FROM statistics WHERE (step, subject, start, name) IN"
        f" (SELECT vstep, vsubject, vstart, vname FROM {values})"
        f" RETURNING {', '.join((*_KEY, *COUNTED, *_MEASURES))}",
        params,
    )
    for step, subject, start, name, *rest in rows:
        yield (Step(step), Subject(subject), start, name), _seen(rest)


def _taken_failures(
    transaction: Transaction, places: Collection[FailurePlace]
) -> Iterable[tuple[FailurePlace, Failed]]:
    wanted = (("vstep", "text"), ("vstart", "bigint"), ("vqueue", "text"), ("vfailure", "text"))
    values, params = transaction.database.values(wanted, [*places])
    rows = transaction.rows(
        "DELETE FROM failure_statistics WHERE (step, start, queue, failure) IN"
        f" (SELECT vstep, vstart, vqueue, vfailure FROM {values})"
        " RETURNING step, start, queue, failure, cause, shape, retried, dead",
        params,
    )
    for step, start, queue, failure, *rest in rows:
        yield (Step(step), start, queue, failure), Failed(*rest)


def _row(item: tuple[Place, Seen]) -> tuple[object, ...]:
    place, seen = item
    waits, runs = seen.waits, seen.runs
    return (
        *place,
        *(seen.counts[name] for name in COUNTED),
        *(waits.total_ms, waits.longest_ms, waits.stored()),
        *(runs.total_ms, runs.longest_ms, runs.stored()),
    )


def _seen(row: Sequence[object]) -> Seen:
    seen = Seen()
    numbers, rest = row[: len(COUNTED)], row[len(COUNTED) :]
    for name, number in zip(COUNTED, numbers, strict=True):
        if number:
            seen.counts[name] = int(str(number))
    waited, longest_wait, waits, ran, longest_run, runs = rest
    seen.waits.merge_stored(str(waits), int(str(waited)), int(str(longest_wait)))
    seen.runs.merge_stored(str(runs), int(str(ran)), int(str(longest_run)))
    return seen
