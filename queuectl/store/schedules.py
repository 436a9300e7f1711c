"""Schedules: kept by name, claimed by one node at a time when a tick is due, and moved on when it has been fired."""

from __future__ import annotations

import json
from shlex import quote

import peewee

from queuectl.domain.schedule import NewSchedule, Schedule, ScheduleProblem
from queuectl.errors import ScheduleExistsError
from queuectl.store.database import Row, Transaction
from queuectl.store.failures import is_taken

_GIVEN = (
    "name", "source", "cron", "zone", "priority_score", "handler", "metadata", "only_new", "catch_up", "overlap",
)  # fmt: skip
_FIELDS = (
    *_GIVEN, "id", "paused", "created_at", "next_tick_at", "etag", "last_modified", "good_entries", "problem",
    "problem_since",
)  # fmt: skip
_COLUMNS = ", ".join(_FIELDS)


def insert(transaction: Transaction, schedule: NewSchedule, *, now: int, next_tick_at: int) -> int:
    """Store a schedule and return its number.

    Raises:
        ScheduleExistsError: there is one of that name.
    """
    values = [_stored(name, getattr(schedule, name)) for name in _GIVEN]
    try:
        rows = transaction.rows(
            f"INSERT INTO schedules ({', '.join(_GIVEN)}, created_at, next_tick_at)"
            f" VALUES ({', '.join('%s' for _ in _GIVEN)}, %s, %s) RETURNING id",
            (*values, now, next_tick_at),
        )
    except peewee.IntegrityError as error:
        if not is_taken(error, "schedules.name"):
            raise
        raise ScheduleExistsError(
            f"there is a schedule {schedule.name!r} already",
            hint=f"choose another --name, or see: queuectl schedule show {quote(schedule.name)}",
        ) from error
    return int(rows[0][0])


def every(transaction: Transaction) -> list[Schedule]:
    """Return all schedules by their names."""
    return [_schedule(row) for row in transaction.rows(f"SELECT {_COLUMNS} FROM schedules ORDER BY name")]


def named(transaction: Transaction, name: str) -> Schedule | None:
    """Return the schedule of that name."""
    rows = transaction.rows(f"SELECT {_COLUMNS} FROM schedules WHERE name = %s", (name,))
    return _schedule(rows[0]) if rows else None


def lock(transaction: Transaction, schedule: int) -> bool:
    """Lock a schedule's row; return whether it is there."""
    query = f"SELECT 1 FROM schedules WHERE id = %s{transaction.database.row_lock()}"
    return bool(transaction.rows(query, (schedule,)))


def set_paused(
    transaction: Transaction, schedule: int, *, paused: bool, next_tick_at: int | None = None
) -> bool:
    """Pause a schedule, or resume it with its next tick; return whether that changed anything."""
    cursor = transaction.execute(
        "UPDATE schedules SET paused = %s, next_tick_at = COALESCE(%s, next_tick_at), firing_until = NULL,"
        " firing_node = NULL WHERE id = %s AND paused <> %s",
        (paused * 1, next_tick_at, schedule, paused * 1),
    )
    return bool(cursor.rowcount)


def remove(transaction: Transaction, schedule: int) -> bool:
    """Take a schedule away; its ticks are left until they are forgotten. Return whether it was there."""
    return bool(transaction.execute("DELETE FROM schedules WHERE id = %s", (schedule,)).rowcount)


def put_back(transaction: Transaction, schedule: Schedule) -> None:
    """Store a schedule that was taken away under its old number, to which its ticks still belong.

    Raises:
        ScheduleExistsError: there is one of that name.
    """
    values = [_stored(name, getattr(schedule, name)) for name in _FIELDS]
    try:
        transaction.execute(
            f"INSERT INTO schedules ({_COLUMNS}) VALUES ({', '.join('%s' for _ in _FIELDS)})", values
        )
    except peewee.IntegrityError as error:
        if not is_taken(error, "schedules.name"):
            raise
        raise ScheduleExistsError(
            f"there is a schedule {schedule.name!r} already",
            hint=f"see: queuectl schedule show {quote(schedule.name)}",
        ) from error


def forget(transaction: Transaction, schedule: int) -> None:
    """Forget the ticks of a schedule that is not there any more, and what its source has had."""
    if transaction.rows("SELECT 1 FROM schedules WHERE id = %s", (schedule,)):
        return
    transaction.execute("DELETE FROM ticks WHERE schedule_id = %s", (schedule,))
    transaction.execute("DELETE FROM source_urls WHERE schedule_id = %s", (schedule,))


def claim_due(transaction: Transaction, now: int, *, until: int, node: str) -> Schedule | None:
    """Claim for a node the schedule that is due for the longest time and that nobody fires; None if there is none.

    A claim beyond ``until`` was made by a clock that has been put back since, and does not count.
    """
    due = (
        "SELECT id FROM schedules WHERE paused = 0 AND next_tick_at <= %s"
        " AND (firing_until IS NULL OR firing_until NOT BETWEEN %s AND %s)"
        f" ORDER BY next_tick_at LIMIT 1{transaction.database.locking()}"
    )
    rows = transaction.rows(
        "UPDATE schedules SET firing_until = %s, firing_node = %s"
        f" WHERE id {transaction.database.any_of(due)} RETURNING {_COLUMNS}",
        (until, node, now, now + 1, until),
    )
    return _schedule(rows[0]) if rows else None


def next_due(transaction: Transaction, *, until: int) -> int | None:
    """Return when the next schedule is due that nobody fires by then; claims beyond ``until`` do not count."""
    rows = transaction.rows(
        "SELECT MIN(CASE WHEN firing_until > next_tick_at AND firing_until <= %s THEN firing_until"
        " ELSE next_tick_at END) FROM schedules WHERE paused = 0",
        (until,),
    )
    return None if rows[0][0] is None else int(rows[0][0])


def release(transaction: Transaction, node: str) -> None:
    """Let others fire what a node that is gone had claimed."""
    transaction.execute(
        "UPDATE schedules SET firing_until = NULL, firing_node = NULL WHERE firing_node = %s", (node,)
    )


def give_back(transaction: Transaction, schedule: int, node: str) -> None:
    """End a node's claim on one schedule, whose due ticks are still to be fired."""
    transaction.execute(
        "UPDATE schedules SET firing_until = NULL, firing_node = NULL WHERE id = %s AND firing_node = %s",
        (schedule, node),
    )


def move_on(
    transaction: Transaction, schedule: Schedule, *, next_tick_at: int | None, firing_until: int | None
) -> bool:
    """Set a claimed schedule's next tick; False if it was paused, removed or fired by another node meanwhile.

    With ``firing_until`` the claim is kept for the tick after.
    """
    cursor = transaction.execute(
        "UPDATE schedules SET next_tick_at = %s, firing_until = %s,"
        " firing_node = CASE WHEN %s THEN firing_node END WHERE id = %s AND next_tick_at = %s AND paused = 0",
        (next_tick_at, firing_until, firing_until is not None, schedule.id, schedule.next_tick_at),
    )
    return bool(cursor.rowcount)


def note_good(
    transaction: Transaction,
    schedule: int,
    *,
    entries: int | None,
    etag: str | None,
    last_modified: str | None,
) -> None:
    """Keep what a good reading of the source brought, and end its problem; None for ``entries`` keeps their number."""
    transaction.execute(
        "UPDATE schedules SET good_entries = COALESCE(%s, good_entries), etag = %s, last_modified = %s,"
        " problem = NULL, problem_since = NULL WHERE id = %s",
        (entries, etag, last_modified, schedule),
    )


def note_problem(transaction: Transaction, schedule: int, problem: str, now: int) -> bool:
    """Keep what is wrong with a schedule's source, and since when; return whether that is new."""
    cursor = transaction.execute(
        "UPDATE schedules SET problem = %s, problem_since = CASE WHEN problem IS NULL THEN %s ELSE problem_since END"
        " WHERE id = %s AND (problem IS NULL OR problem <> %s)",
        (problem, now, schedule, problem),
    )
    return bool(cursor.rowcount)


def problems(transaction: Transaction, limit: int) -> list[ScheduleProblem]:
    """Return schedules that need a person, the longest first."""
    rows = transaction.rows(
        "SELECT name, problem, problem_since FROM schedules WHERE problem IS NOT NULL"
        " ORDER BY problem_since, id LIMIT %s",
        (limit,),
    )
    return [ScheduleProblem(*row) for row in rows]


def most_overdue(transaction: Transaction) -> tuple[str, int] | None:
    """Return the name and the next tick of the schedule that comes first; paused ones wait for nothing."""
    rows = transaction.rows(
        "SELECT name, next_tick_at FROM schedules WHERE paused = 0 AND next_tick_at IS NOT NULL"
        " ORDER BY next_tick_at, id LIMIT 1"
    )
    return (rows[0][0], int(rows[0][1])) if rows else None


def _stored(name: str, value: object) -> object:
    if name == "metadata":
        return json.dumps(value, ensure_ascii=False)
    return value * 1 if isinstance(value, bool) else value


def _schedule(row: Row) -> Schedule:
    fields = dict(zip(_FIELDS, row, strict=True))
    only_new = fields["only_new"]
    return Schedule(
        **fields
        | {
            "metadata": json.loads(fields["metadata"]),
            "only_new": None if only_new is None else bool(only_new),
            "paused": bool(fields["paused"]),
        }
    )
