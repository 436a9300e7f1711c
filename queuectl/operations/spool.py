"""Rows on their way from a source that may be slow to a transaction that must be quick.

Whoever holds the write lock of SQLite stops every other writer, so nothing is read or checked in the
meantime. The rows wait in memory while they are few and in a temporary file when they are many.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Generic, TypeVar

import msgspec

_IN_MEMORY_BYTES = 32 * 1024 * 1024
_LENGTH_BYTES = 8


RowT = TypeVar("RowT")


class Spool(Generic[RowT]):
    """Groups of rows of one type, written once and then read, also again."""

    def __init__(self, kind: type[RowT]) -> None:
        self._file = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY_BYTES)  # noqa: SIM115  closed on exit
        self._decode = msgspec.msgpack.Decoder(list[kind]).decode  # type: ignore[valid-type]  # known when it runs

    def __enter__(self) -> Spool[RowT]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def add(self, rows: Sequence[RowT]) -> None:
        """Put a group at the end."""
        data = msgspec.msgpack.encode(rows)
        self._file.write(len(data).to_bytes(_LENGTH_BYTES, "big"))
        self._file.write(data)

    def groups(self) -> Iterator[list[RowT]]:
        """Return the groups in their order."""
        self._file.seek(0)
        while length := self._file.read(_LENGTH_BYTES):
            yield self._decode(self._file.read(int.from_bytes(length, "big")))
