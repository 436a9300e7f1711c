"""What a live screen shows, read again and again in a thread of its own, so that keys work while a database hangs."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Generic, Self, TypeVar

from queuectl.clock import monotonic
from queuectl.errors import QueuectlError

T = TypeVar("T")

_SHARE = 25
"""Reading takes at most one part in so many of the time, however slow the database is."""

_OLD_SECONDS = 3.0
_PATIENCE_SECONDS = 2.0


class Refreshing(Generic[T]):
    """Calls ``read`` about every ``every`` seconds while it is entered, and ``tell`` when there is something new.

    ``latest`` is what was read last.
    """

    def __init__(
        self,
        read: Callable[[], T],
        first: T,
        *,
        tell: Callable[[], None],
        close: Callable[[], None],
        every: float = 1.0,
    ) -> None:
        self.latest = first
        self._trouble: str | None = None
        self._read_at = monotonic()
        self._failure: Exception | None = None
        self._read, self._tell, self._close, self._every = read, tell, close, every
        self._wanted = threading.Event()
        self._ended = False
        self._orders: list[Callable[[], None]] = []
        self._thread = threading.Thread(target=self._run, name="refreshing", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended = True
        self._wanted.set()
        self._thread.join(_PATIENCE_SECONDS)  # a database that hangs does not hold up a person who leaves

    @property
    def note(self) -> str | None:
        """What is wrong with ``latest``, in one sentence; None if it is as new as it should be."""
        age = monotonic() - self._read_at
        trouble = self._trouble or (
            "the database takes its time" if age > _OLD_SECONDS + self._every else None
        )
        return f"what you see is {age:.0f} s old: {trouble}" if trouble else None

    def check(self) -> None:
        """Raise what the thread has died of; nothing that is expected ends it."""
        if self._failure is not None:
            raise self._failure

    def now(self) -> None:
        """Read at once."""
        self._wanted.set()

    def order(self, work: Callable[[], None]) -> None:
        """Do something with the database between two readings, and read afterwards."""
        self._orders.append(work)
        self._wanted.set()

    def _run(self) -> None:
        try:
            self._refresh()
        except Exception as error:  # noqa: BLE001  the main thread raises it again
            self._failure = error
            self._tell()
        finally:
            self._close()

    def _refresh(self) -> None:
        pause = self._every
        while True:
            self._wanted.wait(pause)
            self._wanted.clear()
            while self._orders:
                self._orders.pop(0)()
            if self._ended:
                return
            begun = monotonic()
            try:
                self.latest = self._read()
                self._trouble, self._read_at = None, monotonic()
            except QueuectlError as error:
                self._trouble = error.message
            pause = max(self._every, _SHARE * (monotonic() - begun))
            self._tell()
