"""The names that people may mean while they type: read in one look, without setting anything up, and never an error.

Each function loads only the part of the store that it reads, since somebody waits for it with every Tab.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

from queuectl.domain.task import batch_name, task_name
from queuectl.errors import QueuectlError
from queuectl.settings import Settings
from queuectl.store.database import Database, Transaction

_NEWEST = 50


def schedule_names(settings: Settings) -> list[str]:
    """Return the names of all schedules."""
    from queuectl.store import schedules

    return _read(settings, lambda transaction: [each.name for each in schedules.every(transaction)])


def batch_names(settings: Settings) -> list[str]:
    """Return the ids of the newest batches."""
    from queuectl.store import batches

    return _read(
        settings,
        lambda transaction: [batch_name(each.id) for each in batches.newest(transaction, _NEWEST)],
    )


def task_names(settings: Settings) -> list[str]:
    """Return the ids of the newest tasks."""
    from queuectl.domain.selection import Selection
    from queuectl.store import listing

    newest = Selection(limit=_NEWEST)
    return _read(
        settings, lambda transaction: [task_name(each.id) for each in listing.tasks(transaction, newest)]
    )


def dead_letter_numbers(settings: Settings) -> list[str]:
    """Return the numbers of the newest dead letters."""
    from queuectl.domain.dead_letter import DeadLetterSelection
    from queuectl.store import dead_letters

    every = DeadLetterSelection()
    return _read(
        settings,
        lambda transaction: [str(each.id) for each in dead_letters.find(transaction, every, _NEWEST)],
    )


def _read(settings: Settings, query: Callable[[Transaction], list[str]]) -> list[str]:
    url = settings.database_url
    if url.startswith("sqlite:") and not Path(url.removeprefix("sqlite:///")).exists():
        return []  # opening it would make an empty file
    database = Database(url)
    with contextlib.suppress(QueuectlError), database.reading() as transaction:
        return query(transaction)
    return []
