"""The two clocks: wall time to store, monotonic time to measure."""

from __future__ import annotations

import time


def now_ms() -> int:
    """Return the wall clock in UTC milliseconds since the epoch, the form in which times are stored."""
    return time.time_ns() // 1_000_000


def monotonic() -> float:
    """Return seconds on a clock that never steps back; only differences mean anything."""
    return time.monotonic()
