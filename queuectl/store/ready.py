"""Which queued tasks come first, and when the next ones fall due: what the moves of tasks choose from."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

from queuectl.store.database import Transaction

Place = tuple[int, int, int]
"""Where a task stands in its queue: (rank, due_at, id)."""

START: Place = (-(2**62), 0, 0)
"""The place before every task."""


NEXT_DUE = "SELECT MIN(due_at) FROM tasks WHERE state IN ('scheduled', 'retrying')"
"""The query for when the next waiting task falls due, in UTC milliseconds."""


class Candidate(NamedTuple):
    """A queued task that could be taken, with its place in the order of its queue."""

    rank: int
    due_at: int
    id: int
    host: str
    handler: str = ""

    @property
    def place(self) -> Place:
        """Where to go on after it."""
        return self.rank, self.due_at, self.id


def next_due(transaction: Transaction) -> int | None:
    """Return when the next waiting task falls due, in UTC milliseconds."""
    value: int | None = transaction.rows(NEXT_DUE)[0][0]
    return value


def first(
    transaction: Transaction, queue: str, limit: int, after: Place, only: Sequence[int] | None
) -> tuple[str, Sequence[object]]:
    """Return a query for the ids of the first queued tasks of a queue, or ``only`` these, and its parameters.

    It locks them, and passes over those that somebody else has locked.
    """
    chosen, locking = (
        "SELECT id FROM tasks WHERE state = 'queued' AND queue = %s",
        transaction.database.locking(),
    )
    if only is None:
        order = "AND (rank, due_at, id) > (%s, %s, %s) ORDER BY rank, due_at, id LIMIT %s"
        return f"{chosen} {order}{locking}", (queue, *after, limit)
    values, params = transaction.database.values((("vid", "bigint"),), [(number,) for number in only])
    among = transaction.database.any_of(f"SELECT vid FROM {values}")
    # The queue's name is put together, or SQLite would look for the tasks in the whole queue.
    by_number = f"SELECT id FROM tasks WHERE state = 'queued' AND queue || '' = %s AND id {among}"
    return f"{by_number}{locking}", (queue, *params)


def candidates(
    transaction: Transaction,
    queue: str,
    limit: int,
    *,
    after: Place,
    without: Collection[str],
    without_handlers: Collection[str] | None = None,
) -> list[Candidate]:
    """Return a queue's first queued tasks after a place, but none of these hosts and handlers.

    Nothing is locked, so that the index alone answers, however many tasks are passed over; unless
    ``without_handlers`` is given, since an index does not tell the handler.
    """
    condition = ""
    params: list[object] = [queue, *after]
    for column, texts in (("host", without), ("handler", without_handlers)):
        if texts:
            tail, value = transaction.database.none_of(texts)
            condition += f" AND {column} {tail}"
            params.append(value)
    handler = "" if without_handlers is None else ", handler"
    rows = transaction.rows(
        f"SELECT rank, due_at, id, host{handler} FROM tasks WHERE state = 'queued' AND queue = %s"
        f" AND (rank, due_at, id) > (%s, %s, %s){condition} ORDER BY rank, due_at, id LIMIT %s",
        (*params, limit),
    )
    return [Candidate(*row) for row in rows]


def last(transaction: Transaction, queue: str) -> Place:
    """Return the place of a queue's last queued task; the beginning if there is none."""
    rows = transaction.rows(
        "SELECT rank, due_at, id FROM tasks WHERE state = 'queued' AND queue = %s"
        " ORDER BY rank DESC, due_at DESC, id DESC LIMIT 1",
        (queue,),
    )
    return (rows[0][0], rows[0][1], rows[0][2]) if rows else START
