"""Read and decompress an answer's body without ever holding more than the limit."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable

from queuectl.errors import PermanentError, RetryableError

ENCODINGS = ("", "identity", "gzip", "x-gzip")
"""The content encodings that are understood; the request asks for no other."""

_RATIO_FREE_BYTES = 1024 * 1024
_RATIO_LIMIT = 100
_STEP = 64 * 1024
_GZIP = 16 + zlib.MAX_WBITS


class PageTooLargeError(PermanentError):
    """The answer has more bytes than may be read."""


def read_body(chunks: Iterable[bytes], encoding: str, limit: int, *, check: Callable[[], None]) -> bytes:
    """Return the decoded body; ``limit`` bounds the bytes on the wire and the decoded bytes alike.

    ``check`` is called for every chunk and may raise to end the reading.

    Raises:
        PermanentError: the body is too large, a compression bomb, or encoded in a way not asked for.
        RetryableError: the compressed data is damaged or incomplete.
    """
    if encoding not in ENCODINGS:
        raise PermanentError(f"the answer is encoded as {encoding[:40]!r}, which was not asked for")
    received = _limited(chunks, limit, check)
    if encoding in ("", "identity"):
        return b"".join(received)
    try:
        return _gunzipped(received, limit)
    except zlib.error as error:
        raise RetryableError("the answer's gzip data is damaged") from error


def _limited(chunks: Iterable[bytes], limit: int, check: Callable[[], None]) -> Iterable[bytes]:
    received = 0
    for chunk in chunks:
        check()
        received += len(chunk)
        if received > limit:
            raise _too_large(limit)
        yield chunk


def _gunzipped(chunks: Iterable[bytes], limit: int) -> bytes:
    """Decompress in small steps, so that a bomb is noticed before it has grown."""
    decoder = zlib.decompressobj(_GZIP)
    decoded = bytearray()
    received = 0
    for chunk in chunks:
        received += len(chunk)
        pending = chunk
        while True:
            if decoder.eof:
                # Several gzip members may follow each other; anything else at the end is padding.
                if not pending.startswith(b"\x1f"):
                    break
                decoder = zlib.decompressobj(_GZIP)
            step = decoder.decompress(pending, _STEP)
            decoded += step
            if len(decoded) > limit:
                raise _too_large(limit)
            if len(decoded) > max(_RATIO_FREE_BYTES, _RATIO_LIMIT * received):
                raise PermanentError(
                    "the answer is a compression bomb: it unpacks to over 100 times its size"
                )
            pending = decoder.unused_data if decoder.eof else decoder.unconsumed_tail
            # A full step may have left output inside the decoder, although all input is consumed.
            if not pending and len(step) < _STEP:
                break
    if not decoder.eof:
        raise RetryableError("the answer's gzip data ends too early")
    return bytes(decoded)


def _too_large(limit: int) -> PageTooLargeError:
    return PageTooLargeError(
        f"the page is larger than {limit:,} bytes",
        hint="raise fetch_max_bytes if such pages are meant to be fetched",
    )
