"""The log file of a detached daemon, turned over before it grows too large, or when somebody has moved it away."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from pathlib import Path

LIMIT = 16 * 1024 * 1024
"""Bytes of one file; a few former ones are kept beside it."""

KEPT = 3


class LogFile(logging.StreamHandler):  # type: ignore[type-arg]
    """Writes to stderr, which was opened on ``file``, and opens both streams anew on a fresh file when it is time.

    So what a library prints past the log gets there too.
    """

    def __init__(self, file: Path, *, limit: int = LIMIT, descriptors: tuple[int, ...] = (1, 2)) -> None:
        super().__init__(sys.stderr)
        self._file = file
        self._limit = limit
        self._descriptors = descriptors

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record, into a fresh file if the present one is full or is not in its place any more."""
        with contextlib.suppress(OSError):  # a full disk must not cost the line as well
            self._turn_over()
        super().emit(record)

    def _turn_over(self) -> None:
        present = os.fstat(self._descriptors[-1])
        if self._is_in_place(present):
            if present.st_size < self._limit:
                return
            for number in range(KEPT, 1, -1):
                older = self._named(number - 1)
                if older.exists():
                    older.replace(self._named(number))
            self._file.replace(self._named(1))
        fresh = os.open(self._file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        for descriptor in self._descriptors:
            os.dup2(fresh, descriptor)
        os.close(fresh)

    def _is_in_place(self, present: os.stat_result) -> bool:
        try:
            there = self._file.stat()
        except FileNotFoundError:
            return False
        return (there.st_dev, there.st_ino) == (present.st_dev, present.st_ino)

    def _named(self, number: int) -> Path:
        return self._file.with_name(f"{self._file.name}.{number}")
