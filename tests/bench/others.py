"""What else goes on on this machine: measured figures are worth as much as it was left alone."""

from __future__ import annotations

import contextlib
import os
import time

import psutil

_QUIET = 0.10  # of the machine
_LOOK_SECONDS = 1.0


class Others:
    """The share of the machine's processors that processes took which are not ours, since this was made."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._before = _busy_seconds() - family_seconds()

    def share(self) -> float:
        """Return the share, from 0 to 1."""
        elapsed = (time.monotonic() - self._began) * (os.cpu_count() or 1)
        return min(1.0, max(0.0, (_busy_seconds() - family_seconds() - self._before) / elapsed))


def wait_for_quiet(patience: float) -> bool:
    """Wait until others leave the machine alone for a second, at most ``patience`` seconds; tell whether they did."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        others = Others()
        time.sleep(_LOOK_SECONDS)
        if others.share() < _QUIET:
            return True
    return False


def family_seconds(pid: int | None = None) -> float:
    """Return what a process, this one if none is named, and all that it ever started have used of the processors."""
    total = 0.0
    first = psutil.Process(pid)
    for process in [first, *first.children(recursive=True)]:
        with contextlib.suppress(psutil.Error):
            # Includes the children that it has seen the end of.
            total += sum(process.cpu_times()[:4])
    return total


def _busy_seconds() -> float:
    now = psutil.cpu_times()
    return float(sum(now) - now.idle - getattr(now, "iowait", 0.0) - getattr(now, "guest", 0.0))
