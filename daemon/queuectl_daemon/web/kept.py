"""A value that is read at most once in a while, however many ask for it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from queuectl.clock import monotonic

T = TypeVar("T")


class Kept(Generic[T]):
    """Keeps what was read for some seconds; while one reads, the others wait for what that one finds."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._lock = threading.Lock()
        self._value: T | None = None
        self._until = 0.0

    def now(self, read: Callable[[], T]) -> T:
        """Return the value, read again if it is old."""
        with self._lock:
            if self._value is None or monotonic() >= self._until:
                self._value = read()
                self._until = monotonic() + self._seconds
            return self._value
