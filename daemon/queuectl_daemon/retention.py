"""Remove dead letters, finished tasks and what undo needs when they are old, so slowly that nothing else notices."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from queuectl.clock import monotonic
from queuectl.operations.dead_letters import moment_days_ago, purge_group
from queuectl.operations.undo import forget_undo
from queuectl.operations.upkeep import remove_aged, remove_group
from queuectl.settings import Settings
from queuectl.store.database import Database
from queuectl.store.upkeep import FIRST, Place

logger = logging.getLogger("queuectl.daemon")

LONGEST_SECONDS = 0.005
"""So long may one transaction take; on SQLite nobody else writes meanwhile."""

SMALLEST, _LARGEST = 25, 1_000
_FREE_SHARE = 9
"""After each group as many times its duration pass before the next: a tenth of the time is used at most."""

_SWEEP_SECONDS = 50.0
_FROM_THE_START_SECONDS = 3600.0


class Retention:
    """The removal of dead letters older than ``dead_letter_days`` and of tasks that ended ``retention_days`` ago.

    A dead task stays as long as its dead letter. Zero days keep everything. What is kept to undo operations
    goes after ``undo_days``.
    """

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self.adopt(settings)
        self._stopped = threading.Event()
        self._size = SMALLEST
        self._place: Place = FIRST
        self._began = monotonic()

    def adopt(self, settings: Settings) -> None:
        """Go by these settings from the next group on."""
        self._days = settings.retention_days
        self._dead_letter_days = settings.dead_letter_days
        self._undo_days = settings.undo_days

    def sweep(self) -> None:
        """Remove what is old enough by now, for less than a minute; what is left comes with the next sweep."""
        until = monotonic() + _SWEEP_SECONDS
        try:
            if self._dead_letter_days:
                removed = self._remove_letters(until)
                _tell("removed %d dead letters older than %g days", removed, self._dead_letter_days)
            if self._days:
                removed = self._remove_tasks(until)
                _tell("removed %d tasks that ended more than %g days ago", removed, self._days)
                self._remove_aged(until)
            self._forget_undo(until)
        finally:
            self._database.close()

    def stop(self) -> None:
        """Remove nothing more."""
        self._stopped.set()

    def _remove_letters(self, until: float) -> int:
        before = moment_days_ago(self._dead_letter_days)
        # A group without any is the end.
        return self._in_groups(until, lambda size: purge_group(self._database, before, size) or None)

    def _forget_undo(self, until: float) -> None:
        before = moment_days_ago(self._undo_days)
        self._in_groups(until, lambda size: forget_undo(self._database, before, size) or None)

    def _remove_tasks(self, until: float) -> int:
        before = moment_days_ago(self._days)
        if monotonic() - self._began > _FROM_THE_START_SECONDS:
            # Tasks that were passed over for their dead letters may have lost these since.
            self._place, self._began = FIRST, monotonic()

        def remove(size: int) -> int | None:
            group, place = remove_group(self._database, before, size, self._place, keep_lettered=True)
            if place is None:
                return None
            self._place = place
            return group.rows["tasks"]

        return self._in_groups(until, remove)

    def _remove_aged(self, until: float) -> None:
        before, more = moment_days_ago(self._days), True

        def remove(size: int) -> int | None:
            nonlocal more
            if not more:
                return None
            rows, more = remove_aged(self._database, before, size)
            return rows.total()

        self._in_groups(until, remove)

    def _in_groups(self, until: float, remove: Callable[[int], int | None]) -> int:
        """Let groups of a fitting size be removed until there is nothing more, and return how many rows that were."""
        removed = 0
        while not self._stopped.is_set() and monotonic() < until:
            begun = monotonic()
            count = remove(self._size)
            if count is None:
                break
            removed += count
            took = monotonic() - begun
            self._size = next_size(self._size, took)
            self._stopped.wait(took * _FREE_SHARE)
        return removed


def _tell(sentence: str, removed: int, days: float) -> None:
    if removed:
        logger.info(sentence, removed, days, extra={"action": "retention"})


def next_size(size: int, seconds: float) -> int:
    """Return how many rows the next group may have, after one of ``size`` took so many seconds."""
    if seconds > LONGEST_SECONDS:
        return max(SMALLEST, size // 2)
    if seconds < LONGEST_SECONDS / 2:
        return min(_LARGEST, size * 2)
    return size
