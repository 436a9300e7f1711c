"""Keeps what takes long from being done often: what has to read past much that is over rests for many times as long.

PostgreSQL keeps every version of every row while somebody holds an old snapshot, so that a look at the tasks in hand,
which takes a millisecond otherwise, may come to take a second.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from queuectl.clock import monotonic

SHARE = 20
"""What was done is not done again before this many times its own duration has passed."""

LONGEST_SECONDS = 10.0
"""A process that is halted in the middle of a look has not looked for long, and must look soon when it goes on."""


def rest_of(seconds: float) -> float:
    """Return for how long to rest, in seconds, after something that took so many."""
    return min(SHARE * seconds, LONGEST_SECONDS)


class Rest:
    """The rest of one kind of look, of at least so many seconds."""

    def __init__(self, least: float = 0.0) -> None:
        self._least = least
        self._until = 0.0

    @property
    def is_over(self) -> bool:
        """Whether it may be done again."""
        return monotonic() >= self._until

    @contextmanager
    def after(self) -> Iterator[None]:
        """Rest when the body is done, by how long it took."""
        began = monotonic()
        try:
            yield
        finally:
            self._until = began + max(self._least, rest_of(monotonic() - began))
