"""Schedules and what their sources have had, as an export takes them along and an import brings them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import peewee

from queuectl.errors import ConflictError
from queuectl.store.database import Transaction
from queuectl.store.failures import is_taken
from queuectl.store.streaming import stream
from queuectl.store.submission import put_rows, reserve


class StoredSchedule(NamedTuple):
    """A schedule as it is to be after the insertion; ``metadata`` is JSON text."""

    name: str
    source: str
    cron: str
    zone: str
    priority_score: int
    handler: str
    metadata: str
    only_new: int | None
    catch_up: str
    overlap: str
    paused: int
    created_at: int
    next_tick_at: int | None
    etag: str | None
    last_modified: str | None
    good_entries: int | None


def names(transaction: Transaction) -> set[str]:
    """Return the names of all schedules."""
    return {name for (name,) in transaction.rows("SELECT name FROM schedules")}


def of_schedule(transaction: Transaction, schedule: int, size: int) -> Iterator[list[int]]:
    """Yield the keys of the URLs that a schedule's source has had, rising, ``size`` at a time."""
    query = "SELECT url_key FROM source_urls WHERE schedule_id = %s ORDER BY url_key"
    for rows in stream(transaction, query, (schedule,), size=size):
        yield [key for (key,) in rows]


def insert_schedules(transaction: Transaction, found: Sequence[StoredSchedule]) -> list[int]:
    """Insert schedules and return their numbers.

    Raises:
        ConflictError: one of that name came in meanwhile.
    """
    numbers = reserve(transaction, "schedules", len(found))
    rows = [(number, *schedule) for number, schedule in zip(numbers, found, strict=True)]
    try:
        put_rows(transaction, "schedules", ("id", *StoredSchedule._fields), rows)
    except peewee.IntegrityError as error:
        if not is_taken(error, "schedules.name"):
            raise
        raise ConflictError(
            "a schedule of the same name was added at this moment; nothing was imported", hint="try again"
        ) from error
    return numbers


def insert(transaction: Transaction, schedule: int, keys: Sequence[int]) -> None:
    """Remember keys of URLs that the source of a new schedule has had."""
    put_rows(transaction, "source_urls", ("schedule_id", "url_key"), [(schedule, key) for key in keys])
