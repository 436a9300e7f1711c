"""The first and the last part of what a program prints, however much that is."""

from __future__ import annotations

_HALF = 32 * 1024


class Output:
    """Collects bytes and keeps at most 64 KiB of them: half from the beginning, half from the end."""

    __slots__ = ("_head", "_head_size", "_tail", "_tail_size", "_total")

    def __init__(self, *, head: int = _HALF, tail: int = _HALF) -> None:
        self._head_size = head
        self._tail_size = tail
        self._head = bytearray()
        self._tail = bytearray()
        self._total = 0

    def add(self, chunk: bytes) -> None:
        """Take the next bytes of the output."""
        self._total += len(chunk)
        room = self._head_size - len(self._head)
        if room > 0:
            self._head += chunk[:room]
            chunk = chunk[room:]
        if chunk:
            self._tail += chunk
            # Cut only now and then, so that many small pieces do not each move the whole tail.
            if len(self._tail) > 2 * self._tail_size:
                del self._tail[: -self._tail_size]

    @property
    def total(self) -> int:
        """The number of bytes that came in."""
        return self._total

    def text(self) -> str:
        """Return what was kept, with one line that says how much is missing in the middle."""
        tail = self._tail[-self._tail_size :]
        missing = self._total - len(self._head) - len(tail)
        if not missing:
            return (self._head + tail).decode("utf-8", "replace")
        head = self._head.decode("utf-8", "replace")
        return f"{head}\n[{missing} bytes left out]\n{tail.decode('utf-8', 'replace')}"

    def ending(self) -> str:
        """Return what was kept of the end, which is all of it for a short output."""
        if self._total <= len(self._head) + self._tail_size:
            return (self._head + self._tail).decode("utf-8", "replace")
        return self._tail[-self._tail_size :].decode("utf-8", "replace")
