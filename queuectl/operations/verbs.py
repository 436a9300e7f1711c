"""What all verbs share: the settings, the database, and a way to wake daemons."""

from __future__ import annotations

import contextlib
from types import TracebackType
from typing import Self

from queuectl.clock import monotonic
from queuectl.errors import QueuectlError
from queuectl.operations.auditing import Operation
from queuectl.operations.opening import open_database
from queuectl.settings import Settings, load
from queuectl.store.database import Database
from queuectl.wakeup import ring

_NOTICE_GAP_SECONDS = 0.01


class Verbs:
    """The ground on which verbs stand. One instance may be shared by threads, several may share a ``database``.

    Raises:
        ConfigurationError: the settings have mistakes.
        UnreachableError: the database does not answer or does not fit.
    """

    def __init__(self, settings: Settings | None = None, database: Database | None = None) -> None:
        self.settings = settings or load().settings
        self._database: Database = open_database(self.settings) if database is None else database
        self._noticed = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close this thread's connection; the object can still be used and opens it again."""
        self._database.close()

    def _operation(self, verb: str, target: str) -> Operation:
        """Return an operation that is to be recorded in the audit."""
        return Operation(self._database, self.settings, verb, target)

    def _wake(self) -> None:
        """Wake daemons: the local one always, those on other machines at most every ten milliseconds."""
        ring(self.settings.home)
        if self._database.engine == "postgresql" and monotonic() - self._noticed > _NOTICE_GAP_SECONDS:
            self._noticed = monotonic()
            # What it tells of is stored, so its loss must not look like a failure of the verb.
            with contextlib.suppress(QueuectlError):
                self._database.notify()
