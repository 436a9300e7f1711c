"""The signals that a daemon hears: TERM and INT are orders to stop, HUP is one to read the settings again.

HUP comes also from a terminal that closes. A daemon that was started in it without nohup stops then.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
from queue import Empty, SimpleQueue

_GONE = frozenset({errno.ENXIO, errno.EIO, errno.ENOENT})
"""By these a terminal is known that is not there; another error, as of no free descriptor, says nothing about it."""


class Signals:
    """Counts the orders to stop and notes the one to reload, and wakes whoever waits for either."""

    def __init__(self) -> None:
        self.stops = 0
        # A signal may come in the middle of any use of it, and its lock is one that a thread may take twice. That of an
        # event is not: the handler would wait for ever for the thread that it has interrupted.
        self._rings: SimpleQueue[None] = SimpleQueue()
        self._reload = False
        self._outlives_terminal = True
        self._had_terminal = False

    def listen(self) -> None:
        """Hear of signals from now on; to be called in the main thread."""
        # Under nohup a daemon outlives its terminal; elsewhere it must not die with it like one that was killed.
        self._outlives_terminal = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        self._had_terminal = _has_terminal() is True
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._hear)

    def wait(self, seconds: float) -> None:
        """Wait until a signal comes or somebody wakes this, but not for longer than so many seconds."""
        with contextlib.suppress(Empty):
            self._rings.get(timeout=seconds)

    def wake(self) -> None:
        """Let whoever waits look what has happened."""
        self._rings.put(None)

    def take_reload(self) -> bool:
        """Tell, once for each time, whether the settings are to be read again."""
        wanted, self._reload = self._reload, False
        return wanted

    def _hear(self, number: int, frame: object) -> None:
        del frame
        if number != signal.SIGHUP:
            self.stops += 1
        elif not self._had_terminal or _has_terminal() is not False:
            self._reload = True
        elif not self._outlives_terminal:
            self.stops += 1
        self.wake()


def _has_terminal() -> bool | None:
    """Tell whether this process has a controlling terminal that is still there; None if that cannot be found out."""
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY))
    except OSError as error:
        return False if error.errno in _GONE else None
    return True
