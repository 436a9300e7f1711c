"""Rows on their way from a source that may be slow to a transaction that must be quick.

Whoever holds the write lock of SQLite stops every other writer, so nothing is read or checked in the
meantime. The rows wait in memory while they are few and in a temporary file when they are many.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from types import TracebackType

import msgspec

from queuectl.store.submission import NewTask

_IN_MEMORY_BYTES = 32 * 1024 * 1024
_LENGTH_BYTES = 8


class Spool:
    """Groups of rows, written once and then read once."""

    def __init__(self) -> None:
        self._file = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY_BYTES)  # noqa: SIM115  closed on exit
        self._decode = msgspec.msgpack.Decoder(list[NewTask]).decode

    def __enter__(self) -> Spool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def add(self, rows: Sequence[NewTask]) -> None:
        """Put a group at the end."""
        data = msgspec.msgpack.encode(rows)
        self._file.write(len(data).to_bytes(_LENGTH_BYTES, "big"))
        self._file.write(data)

    def groups(self) -> Iterator[list[NewTask]]:
        """Return the groups in their order."""
        self._file.seek(0)
        while length := self._file.read(_LENGTH_BYTES):
            yield self._decode(self._file.read(int.from_bytes(length, "big")))
