"""Add to the statistics what has happened, and remove what is too old of them, beside everything else."""

from __future__ import annotations

import threading
from collections.abc import Callable

from queuectl.clock import monotonic
from queuectl.operations.adding_up import add_up, forget_old
from queuectl.settings import Settings
from queuectl.store.database import Database
from queuectl_daemon.retention import SMALLEST
from queuectl_daemon.ticker import Ticker

_ADD_SECONDS = 3.0
"""So long what has happened stays by itself; whoever reads the statistics sees it there."""

_FORGET_SECONDS = 300.0

_LONGEST_SECONDS = 0.1
_SMALLEST, _LARGEST = 100, 500
"""Most of a group's work is the same for few transactions and for many: to read and write the rows that they touch."""

_FREE_SHARE = 9
"""After each group as many times its duration pass before the next."""

_ROUND_SECONDS = 2.5


class AddingUp:
    """The daemon's part in the statistics; every daemon does the same, and whoever comes first adds up."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._settings = settings
        self._stopped = threading.Event()
        self._size = _SMALLEST

    def adopt(self, settings: Settings) -> None:
        """Tell days apart by these settings from the next group on."""
        self._settings = settings

    def begin(self, ticker: Ticker) -> None:
        """Let it be done from time to time."""
        ticker.every(_ADD_SECONDS, "statistics", self.add, at_once=True)
        ticker.every(_FORGET_SECONDS, "old statistics", self.forget, at_once=True)

    def stop(self) -> None:
        """Do no more of it."""
        self._stopped.set()

    def add(self) -> None:
        """Add what there is by now, in groups of a fitting size."""
        try:
            self._in_groups(self._add_group, _ROUND_SECONDS)
        finally:
            self._database.close()

    def forget(self) -> None:
        """Remove the rows that are older than they are kept."""
        try:
            self._in_groups(lambda: forget_old(self._database, self._settings, SMALLEST), _FORGET_SECONDS / 2)
        finally:
            self._database.close()

    def _add_group(self) -> int:
        begun = monotonic()
        # Whoever computes for long keeps the pump from every one of its steps for 5 ms.
        added = add_up(self._database, self._settings, self._size, pause=lambda: self._stopped.wait(0.0005))
        took = monotonic() - begun
        if took > _LONGEST_SECONDS:
            self._size = max(_SMALLEST, self._size // 2)
        elif took < _LONGEST_SECONDS / 2:
            self._size = min(_LARGEST, self._size * 2)
        return added

    def _in_groups(self, work: Callable[[], int], seconds: float) -> None:
        until = monotonic() + seconds
        while not self._stopped.is_set() and monotonic() < until:
            begun = monotonic()
            if not work():
                break
            self._stopped.wait((monotonic() - begun) * _FREE_SHARE)
