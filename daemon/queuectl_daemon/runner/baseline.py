"""The state in which a child process must be after a run, so that the next run finds what the first one found."""

from __future__ import annotations

import locale
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path

_PAGE = os.sysconf("SC_PAGE_SIZE")
GROWTH = 100 * 1024 * 1024
"""Bytes by which a child may have grown since its handlers were loaded."""

MOST_FILES = 100
"""Files and connections that handlers may keep open from one run to the next."""


class Baseline:
    """A child's state as it was, compared with what it is."""

    def __init__(self) -> None:
        self._checks: tuple[tuple[Callable[[], object], str], ...] = (
            (os.getcwd, "changed its working folder"),
            (_standard_streams, "changed its standard streams"),
            (_environment, "changed its environment"),
            (_umask, "changed its umask"),
            (_signals, "changed its signals"),
            (_locale, "changed its locale"),
        )
        self._expected = [_tried(look) for look, _ in self._checks]
        self._threads = _thread_count()
        self._resident = resident()
        self._files = _file_count()

    def settle(self) -> None:
        """Take over what loading a handler brought: threads of a library, and memory."""
        self._threads = _thread_count()
        self.grow()

    def grow(self) -> None:
        """Take the present size for normal; after the first run of a handler, which loads what it needs."""
        self._resident = max(self._resident, resident())

    def flaw(self) -> str | None:
        """Return what differs now, as the end of a sentence about the handler."""
        try:
            return self._difference()
        except OSError:
            return "left files open"  # so many that nothing can be looked at

    def _difference(self) -> str | None:
        if _has_children():
            return "left processes behind"
        if _thread_count() > self._threads:
            return "left threads behind"
        for (look, words), expected in zip(self._checks, self._expected, strict=True):
            if _tried(look) != expected:
                return words
        if _file_count() - self._files > MOST_FILES:
            return "left files open"
        if resident() - self._resident > GROWTH:
            return "let its process grow"
        return None


def resident() -> int:
    """Return this process's resident size in bytes; 0 where the system does not tell cheaply."""
    try:
        with Path("/proc/self/statm").open("rb") as file:
            return int(file.read().split()[1]) * _PAGE
    except OSError:
        return 0


def _tried(look: Callable[[], object]) -> object:
    try:
        return look()
    except OSError:
        return None  # such as a folder that was removed


def _has_children() -> bool:
    try:
        while os.waitpid(-1, os.WNOHANG) != (0, 0):
            pass  # ended, and only not waited for
    except ChildProcessError:
        return False
    return True


def _thread_count() -> int:
    if sys.platform == "linux":
        return len(os.listdir("/proc/self/task"))  # noqa: PTH208 - also those that Python did not start
    return threading.active_count()


def _file_count() -> int:
    return len(os.listdir("/dev/fd"))  # noqa: PTH208 - after every run, so it has to be quick


def _standard_streams() -> object:
    return [(info.st_dev, info.st_ino) for info in map(os.fstat, (0, 1, 2))]


def _environment() -> object:
    # What os.environ keeps inside: comparing it costs a thirtieth of comparing the mapping itself.
    return dict(getattr(os.environ, "_data", os.environ))


def _umask() -> object:
    umask = os.umask(0)
    os.umask(umask)
    return umask


def _signals() -> object:
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)]
    return signal.pthread_sigmask(signal.SIG_BLOCK, ()), handlers


def _locale() -> object:
    return locale.setlocale(locale.LC_ALL)
