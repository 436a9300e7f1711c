"""Hear, through PostgreSQL, that another machine has something to do for the daemons."""

from __future__ import annotations

import contextlib
from typing import Any

import peewee

from queuectl.store.database import Database
from queuectl.wakeup import CHANNEL


class Notices:
    """A connection of its own that listens; a lost one is opened again at the next call of ``connect``."""

    def __init__(self, database: Database) -> None:
        self._database = Database(database.url).peewee
        self._connection: Any = None

    def connect(self) -> bool:
        """Listen, if that is not so already; return whether it is now."""
        if self._connection is not None:
            return True
        try:
            self._database.connect(reuse_if_open=True)
            self._database.execute_sql(f"LISTEN {CHANNEL}")
        except peewee.PeeweeException:
            self._forget()
            return False
        self._connection = self._database.connection()
        return True

    def fileno(self) -> int:
        """Return the descriptor that becomes readable when a notice comes."""
        return int(self._connection.fileno())

    def drain(self) -> bool:
        """Take in all notices; return whether the connection still lives."""
        try:
            self._connection.poll()
            self._connection.notifies.clear()
        except Exception:  # noqa: BLE001  whatever the driver says, this connection is of no more use
            self._forget()
            return False
        return True

    def close(self) -> None:
        """Stop listening."""
        self._forget()

    def _forget(self) -> None:
        self._connection = None
        with contextlib.suppress(Exception):
            self._database.close()
