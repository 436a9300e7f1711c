"""What the Linux kernel is asked to do for processes of handlers; elsewhere these calls do nothing."""

from __future__ import annotations

import ctypes
import signal
import sys

_SET_DEATH_SIGNAL = 1
_SET_SUBREAPER = 36


def die_with_parent() -> None:
    """Have this process killed when the one that forked it ends."""
    _prctl(_SET_DEATH_SIGNAL, int(signal.SIGKILL))


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent ends, however it tried to get away."""
    _prctl(_SET_SUBREAPER, 1)


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, ctypes.c_ulong(value), 0, 0, 0)
