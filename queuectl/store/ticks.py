"""Ticks, each of which happens once, and the URLs that a schedule's source has had."""

from __future__ import annotations

from collections.abc import Sequence

from queuectl.domain.schedule import Tick
from queuectl.store.database import Row, Transaction
from queuectl.store.submission import NewTask

KEPT = 1_000
"""How many ticks of each schedule are kept."""

_COLUMNS = ", ".join(Tick.__slots__)
_BY_HAND = Tick.__slots__.index("by_hand")


def record(transaction: Transaction, tick: Tick) -> bool:
    """Store a tick and forget the oldest ones; False if this tick of the schedule has been before."""
    values = [getattr(tick, name) for name in Tick.__slots__]
    values[_BY_HAND] *= 1
    recorded = transaction.rows(
        f"INSERT INTO ticks ({_COLUMNS}) VALUES ({', '.join('%s' for _ in values)})"
        " ON CONFLICT (schedule_id, tick_at) DO NOTHING RETURNING tick_at",
        values,
    )
    transaction.execute(
        "DELETE FROM ticks WHERE schedule_id = %s AND tick_at < (SELECT tick_at FROM ticks WHERE schedule_id = %s"
        " ORDER BY tick_at DESC LIMIT 1 OFFSET %s)",
        (tick.schedule_id, tick.schedule_id, KEPT - 1),
    )
    return bool(recorded)


def happened(transaction: Transaction, schedule: int, tick_at: int) -> bool:
    """Tell whether this tick of the schedule has been; a clock that was put back may ask for it again."""
    return bool(
        transaction.rows("SELECT 1 FROM ticks WHERE schedule_id = %s AND tick_at = %s", (schedule, tick_at))
    )


def latest(transaction: Transaction, schedule: int, limit: int) -> list[Tick]:
    """Return a schedule's ticks, the newest first."""
    rows = transaction.rows(
        f"SELECT {_COLUMNS} FROM ticks WHERE schedule_id = %s ORDER BY tick_at DESC LIMIT %s",
        (schedule, limit),
    )
    return [_tick(row) for row in rows]


def last_of_each(transaction: Transaction) -> dict[int, Tick]:
    """Return the newest tick of every schedule that has one."""
    columns = ", ".join(f"ticks.{name}" for name in Tick.__slots__)
    rows = transaction.rows(
        f"SELECT {columns} FROM schedules JOIN ticks ON ticks.schedule_id = schedules.id AND ticks.tick_at ="
        " (SELECT MAX(tick_at) FROM ticks AS newest WHERE newest.schedule_id = schedules.id)"
    )
    return {row[0]: _tick(row) for row in rows}


def open_batch(transaction: Transaction, schedule: int) -> int | None:
    """Return the batch of a schedule's last submission if a task of it is still open."""
    rows = transaction.rows(
        "SELECT batches.id FROM batches WHERE batches.id = (SELECT batch_id FROM ticks WHERE schedule_id = %s"
        " AND batch_id IS NOT NULL ORDER BY tick_at DESC LIMIT 1)"
        " AND EXISTS (SELECT 1 FROM tasks WHERE tasks.id BETWEEN batches.first_task AND batches.last_task"
        " AND tasks.batch_id = batches.id AND tasks.finished_at IS NULL)",
        (schedule,),
    )
    return int(rows[0][0]) if rows else None


def keep_unseen(transaction: Transaction, schedule: int, tasks: Sequence[NewTask]) -> list[NewTask]:
    """Return the tasks whose URLs the source has not had before, each once, and remember them."""
    values, params = transaction.database.values(
        (("vkey", "bigint"),), [(key,) for key in sorted({task.url_key for task in tasks})]
    )
    rows = transaction.rows(
        f"INSERT INTO source_urls (schedule_id, url_key) SELECT {schedule:d}, vkey FROM {values} WHERE true"
        " ON CONFLICT (schedule_id, url_key) DO NOTHING RETURNING url_key",
        params,
    )
    unseen = {key for (key,) in rows}
    kept = []
    for task in tasks:
        if task.url_key in unseen:
            unseen.discard(task.url_key)
            kept.append(task)
    return kept


def _tick(row: Row) -> Tick:
    fields = dict(zip(Tick.__slots__, row, strict=True))
    return Tick(**fields | {"by_hand": bool(fields["by_hand"])})
