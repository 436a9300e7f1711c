"""Wait until something becomes true: the only way in which a test lets time pass."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

_FIRST_PAUSE = 0.001
_LONGEST_PAUSE = 0.05


def wait_until(condition: Callable[[], T], *, within: float = 10.0, describing: str = "") -> T:
    """Call ``condition`` until it returns something true, and return that.

    Pauses grow from 1 to 50 milliseconds, so that a quick change is seen at once and a slow one costs little.

    Raises:
        AssertionError: It was not true within ``within`` seconds; says what was awaited and the last value.
    """
    __tracebackhide__ = True
    deadline = time.monotonic() + within
    pause = _FIRST_PAUSE
    while True:
        value = condition()
        if value:
            return value
        left = deadline - time.monotonic()
        if left <= 0:
            awaited = describing or getattr(condition, "__name__", repr(condition))
            raise AssertionError(f"waited {within:g} s for: {awaited}; the last value was {value!r}")
        time.sleep(min(pause, left))
        pause = min(pause * 1.5, _LONGEST_PAUSE)
