"""Remove finished tasks when they are old enough, so slowly that nothing else notices."""

from __future__ import annotations

import logging
import threading

from queuectl.clock import monotonic
from queuectl.operations.upkeep import days_ago, remove_aged, remove_group
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
    """The removal of tasks that ended more than ``days`` ago; a dead one stays as long as its dead letter."""

    def __init__(self, database: Database, days: float) -> None:
        self._database = database
        self._days = days
        self._stopped = threading.Event()
        self._size = SMALLEST
        self._place: Place = FIRST
        self._began = monotonic()

    def sweep(self) -> int:
        """Remove what is old enough by now, for less than a minute; return how many tasks that were."""
        try:
            removed = self._remove(days_ago(self._days))
        finally:
            self._database.close()
        if removed:
            logger.info(
                "removed %d tasks that ended more than %g days ago",
                removed,
                self._days,
                extra={"action": "retention"},
            )
        return removed

    def _remove(self, before: int) -> int:
        started, removed = monotonic(), 0
        if started - self._began > _FROM_THE_START_SECONDS:
            # Tasks that were passed over for their dead letters may have lost these since.
            self._place, self._began = FIRST, started
        while not self._stopped.is_set() and monotonic() - started < _SWEEP_SECONDS:
            begun = monotonic()
            group, place = remove_group(self._database, before, self._size, self._place, keep_lettered=True)
            if place is None:
                remove_aged(self._database, before)
                break
            self._place = place
            removed += group.rows["tasks"]
            took = monotonic() - begun
            self._size = next_size(self._size, took)
            self._stopped.wait(took * _FREE_SHARE)
        return removed

    def stop(self) -> None:
        """Remove nothing more."""
        self._stopped.set()


def next_size(size: int, seconds: float) -> int:
    """Return how many tasks the next group may have, after one of ``size`` took so many seconds."""
    if seconds > LONGEST_SECONDS:
        return max(SMALLEST, size // 2)
    if seconds < LONGEST_SECONDS / 2:
        return min(_LARGEST, size * 2)
    return size
