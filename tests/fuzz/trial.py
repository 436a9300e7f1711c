"""Give one input to a parser and judge what it does; make an input that fails as small as it can be."""

from __future__ import annotations

import random
import signal
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

from queuectl.errors import ConfigurationError, QueuectlError
from tests.fuzz.mutation import Generate

HANG_SECONDS = 1.0
"""So much of the processor's time one input may take."""

_MOST_TRIES = 1_500
_TRIES_OF_A_HANG = 40
_LONGEST_MESSAGE = 4_000


@dataclass(frozen=True, slots=True)
class Parser:
    """One of the twelve: its inputs, what reads them, and what it raises by contract besides the project's own errors.

    ``share`` is its part of a thousand inputs: fewer where one takes long. ``read`` raises AssertionError where
    what was taken is not what it should be.
    """

    name: str
    share: int
    make: Generate
    read: Callable[[bytes], None]
    refusals: tuple[type[Exception], ...] = ()

    def input(self, seed: str, number: int) -> bytes:
        """Return an input, which is the same for the same seed and number."""
        return self.make(random.Random(f"{seed}/{self.name}/{number}"))


@dataclass(frozen=True, slots=True)
class Fault:
    """What an input did that it must not: the kind of it, and where."""

    what: str
    place: str
    told: str


class _HangError(BaseException):
    """The input takes too long; nothing in the parsers catches this."""


def tried(parser: Parser, data: bytes) -> Fault | None:
    """Return what is wrong with what a parser makes of an input, or None."""
    try:
        with _alarm():
            parser.read(data)
    except QueuectlError as error:
        return _of_refusal(error)
    except parser.refusals:
        return None
    except _HangError as error:
        return Fault("hang", _place(error), traceback.format_exc())
    except Exception as error:  # noqa: BLE001  whatever it is, it is what we look for
        return Fault(type(error).__name__, _place(error), traceback.format_exc())
    return None


def shrunk(parser: Parser, data: bytes, fault: Fault) -> bytes:
    """Return the smallest input found that has the same fault at the same place."""
    tries = _TRIES_OF_A_HANG if fault.what == "hang" else _MOST_TRIES
    size = max(len(data) // 2, 1)
    while size and tries > 0:
        place = 0
        while place < len(data) and tries > 0:
            shorter = data[:place] + data[place + size :]
            tries -= 1
            found = tried(parser, shorter)
            if found is not None and (found.what, found.place) == (fault.what, fault.place):
                data = shorter
            else:
                place += size
        size //= 2
    return data


def _of_refusal(error: QueuectlError) -> Fault | None:
    """Make sure that a refusal says something, in one line, which can be written down."""
    lines = error.problems if isinstance(error, ConfigurationError) else [error.message]
    for message in (*lines, error.hint or "none"):
        if not message.strip() or "\n" in message or len(message) > _LONGEST_MESSAGE:
            return Fault("no one-line refusal", _place(error), repr(message[:500]))
    return None


@contextmanager
def _alarm() -> Iterator[None]:
    def ring(number: int, frame: FrameType | None) -> None:
        raise _HangError

    before = signal.signal(signal.SIGPROF, ring)
    signal.setitimer(signal.ITIMER_PROF, HANG_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def _place(error: BaseException) -> str:
    """Return the last line of the project in a traceback."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [
        each for each in frames if "site-packages" not in each.filename and "/lib/python" not in each.filename
    ]
    last = ours[-1]
    return f"{last.filename.rpartition('/')[2]}:{last.name}"
