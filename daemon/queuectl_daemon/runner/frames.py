"""What the daemon and a child process say to each other: length-prefixed JSON over a socket pair.

Whatever a child sends is checked against these types; what does not fit is the child's failure, never the daemon's.
"""

from __future__ import annotations

import socket
import struct
import threading
from typing import Any, Generic, TypeAlias, TypeVar

import msgspec

from queuectl.domain.article import Article
from queuectl.domain.outcome import Outcome, Verdict

_LENGTH = struct.Struct(">I")
_CHUNK = 64 * 1024
LONGEST_FRAME = 64 * 1024 * 1024
"""Bytes; room for the largest page that may be fetched, as text and as HTML."""


class Job(msgspec.Struct, frozen=True, array_like=True, tag="job"):
    """Run this task; ``metadata`` is JSON text, ``memory_limit`` megabytes."""

    task: int
    fence: int
    attempt: int
    handler: str
    url: str
    queue: str
    priority_score: int
    metadata: str
    memory_limit: int | None


class Cancel(msgspec.Struct, frozen=True, array_like=True, tag="cancel"):
    """A person wants this run to end."""

    task: int
    fence: int


class Hello(msgspec.Struct, frozen=True, array_like=True, tag="hello"):
    """The child is ready for its first job."""

    pid: int


class Progress(msgspec.Struct, frozen=True, array_like=True, tag="progress"):
    """How far the run is, from 0 to 1."""

    fraction: float
    note: str


class Line(msgspec.Struct, frozen=True, array_like=True, tag="line"):
    """One line for the daemon's log; ``level`` is one of logging's numbers."""

    level: int
    text: str


class Result(msgspec.Struct, frozen=True, array_like=True, tag="result"):
    """The run's end; ``flaw`` says why the child should not run another task."""

    verdict: Verdict
    result: str | None
    error: str | None
    traceback: str | None
    retry_after: float | None
    article: Article | None
    flaw: str | None
    hold_host: bool = False

    @classmethod
    def of(cls, outcome: Outcome, flaw: str | None) -> Result:
        """Return the frame that reports ``outcome``."""
        return cls(
            outcome.verdict,
            outcome.result,
            outcome.error,
            outcome.traceback,
            outcome.retry_after,
            outcome.article,
            flaw,
            outcome.hold_host,
        )

    def outcome(self) -> Outcome:
        """Return the outcome that this frame reports."""
        return Outcome(
            self.verdict,
            self.result,
            self.error,
            self.traceback,
            self.retry_after,
            self.article,
            self.hold_host,
        )


ToChild: TypeAlias = Job | Cancel
FromChild: TypeAlias = Hello | Progress | Line | Result

_encode = msgspec.json.Encoder().encode
TO_CHILD: msgspec.json.Decoder[ToChild] = msgspec.json.Decoder(ToChild)
FROM_CHILD: msgspec.json.Decoder[FromChild] = msgspec.json.Decoder(FromChild)

Incoming = TypeVar("Incoming")


class GarbageError(Exception):
    """The other side sent something that is not a frame."""


class Channel(Generic[Incoming]):
    """One end of a socket pair; one thread receives, any may send."""

    def __init__(self, sock: socket.socket, decoder: msgspec.json.Decoder[Incoming]) -> None:
        self.sock = sock
        self._decode = decoder.decode
        self._buffer = bytearray()
        self._sending = threading.Lock()
        self.left_unread = False
        """Whether the other side went without having read all that it was sent; only Linux tells."""

    def send(self, frame: object) -> None:
        """Send one frame.

        Raises:
            OSError: The other side is gone.
            ValueError: The frame is longer than ``LONGEST_FRAME``, or holds text that has no UTF-8 form.
        """
        data = _framed(frame)
        with self._sending:
            self.sock.sendall(data)

    def send_at_once(self, frame: object) -> None:
        """Send one small frame if that is possible without waiting, and not at all otherwise."""
        if self._sending.acquire(blocking=False):
            try:
                self.sock.send(_framed(frame), socket.MSG_DONTWAIT)
            except OSError:
                return
            finally:
                self._sending.release()

    def receive(self, flags: int = 0) -> Incoming | None:
        """Wait for the next frame; return None when the other side is gone.

        Raises:
            GarbageError: What came is not a frame.
            OSError: Nothing came in the socket's time-out, or at once with ``MSG_DONTWAIT``.
        """
        while True:
            frame = self._next()
            if frame is not None:
                return frame
            try:
                chunk = self.sock.recv(_CHUNK, flags)
            except ConnectionError:
                self.left_unread = True
                return None
            if not chunk:
                return None
            self._buffer += chunk

    def _next(self) -> Incoming | None:
        buffer = self._buffer
        if len(buffer) < _LENGTH.size:
            return None
        (length,) = _LENGTH.unpack_from(buffer)
        end = _LENGTH.size + length
        if length > LONGEST_FRAME:
            raise GarbageError(f"announced a frame of {length} bytes")
        if len(buffer) < end:
            return None
        data = bytes(buffer[_LENGTH.size : end])
        del buffer[:end]
        try:
            return self._decode(data)
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            raise GarbageError(f"sent a frame that cannot be read: {error}") from error

    def hang_up(self) -> None:
        """Let a thread that waits in ``receive`` have what has arrived, and then the end."""
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # the other side was faster

    def close(self) -> None:
        """Give the socket back; no thread may still use it."""
        self.sock.close()


def _framed(frame: Any) -> bytes:
    data = _encode(frame)
    if len(data) > LONGEST_FRAME:
        raise ValueError(f"a frame of {len(data)} bytes is too long")
    return _LENGTH.pack(len(data)) + data
