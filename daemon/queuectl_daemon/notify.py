"""Tell systemd how the daemon fares: ready, reloading, stopping, and alive for as long as its pump gets on.

Without systemd nobody listens, and nothing is said.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import threading
from collections import deque
from collections.abc import Callable, MutableMapping

from queuectl.clock import monotonic

_LOOK_SECONDS = 0.5
_FEEDS = 4
"""The watchdog is fed so many times in the time that it allows."""

_MORE_TIME_US = 30_000_000

_BROKEN = frozenset({errno.EBADF, errno.ENOTSOCK})
"""By these a socket is known that somebody else has closed."""

_AFTER_GRACE_SECONDS = 60.0
"""What is left after the grace period, ends and files to be written, takes no longer than this."""


class Notifier:
    """Sends what the service manager wants to know as datagrams to the socket that it named.

    Its variables are taken out of the environment, so that no child speaks in the daemon's name.
    """

    def __init__(self, environ: MutableMapping[str, str] = os.environ) -> None:
        address = environ.pop("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        meant = environ.pop("WATCHDOG_PID", str(os.getpid()))
        microseconds = environ.pop("WATCHDOG_USEC", "")
        watched = meant == str(os.getpid()) and microseconds.isdigit()
        self.watchdog_seconds = int(microseconds) / 1_000_000 if watched and self._address else None
        self._socket: socket.socket | None = None
        if self._address:
            with contextlib.suppress(OSError):
                self._open()  # now, because later there may be no descriptor free

    @property
    def is_heard(self) -> bool:
        """Whether there is a service manager that listens."""
        return bool(self._address)

    def say(self, *lines: str) -> bool:
        """Send lines such as ``READY=1`` and tell whether that was possible; whatever it was, it stops nothing."""
        if not self._address:
            return False
        try:
            sender = self._socket or self._open()
            sender.sendto("\n".join(lines).encode(errors="replace"), self._address)
        except OSError as error:
            if self._socket is not None and error.errno in _BROKEN:
                self._socket.detach()  # its number may be that of something else by now
                self._socket = None
            return False
        return True

    def close(self) -> None:
        """Give the socket back: nothing more is to be said."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _open(self) -> socket.socket:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        return self._socket


class Reporting(threading.Thread):
    """Reports to the service manager: once that it is ready, its state in words, and that the pump gets on.

    ``steps`` counts what the pump has done so far: the watchdog is fed only if it has grown. ``is_ready`` tells
    whether the database and the transport answer; until they do for the first time the manager is asked to wait.
    """

    def __init__(
        self,
        notifier: Notifier,
        *,
        steps: Callable[[], int],
        is_ready: Callable[[], bool],
        status: Callable[[], str],
    ) -> None:
        super().__init__(name="notify", daemon=True)
        self._notifier = notifier
        self._steps = steps
        self._is_ready = is_ready
        self._status = status
        self._ended = threading.Event()
        self._has_been_ready = self._is_stopping = False
        self._said = ""
        self._owed: deque[tuple[str, ...]] = deque()
        self._telling = threading.Lock()
        self._seen_steps = -1
        limit = notifier.watchdog_seconds
        self._feed_seconds = limit / _FEEDS if limit else None
        self._next_feed = 0.0

    def run(self) -> None:
        """Report until stopped; without a service manager there is nothing to do."""
        pause = min(_LOOK_SECONDS, self._feed_seconds or _LOOK_SECONDS)
        while self._notifier.is_heard and not self._ended.wait(pause):
            self._look()

    def reloading(self) -> None:
        """Say that the settings are being read again; ``reloaded`` has to follow."""
        self._tell("RELOADING=1", f"MONOTONIC_USEC={round(monotonic() * 1_000_000)}")

    def reloaded(self) -> None:
        """Say that this is over."""
        self._tell("READY=1")

    def stop(self, grace: float) -> None:
        """Say that the daemon stops, and how long that may take when runs have so many seconds to end.

        The watchdog is fed until its end, for as long as the pump gets on.
        """
        longest = round((grace + _AFTER_GRACE_SECONDS) * 1_000_000)
        self._is_stopping = True
        self._tell("STOPPING=1", "STATUS=stopping", f"EXTEND_TIMEOUT_USEC={longest}")

    def end(self) -> None:
        """End the thread; nothing is said any more."""
        self._ended.set()
        if self.is_alive():
            self.join(_LOOK_SECONDS * 4)
        self._notifier.close()

    def _tell(self, *lines: str) -> None:
        """Say what the manager waits for: if it does not hear it now, then later, and in this order."""
        self._owed.append(lines)
        self._pay()

    def _pay(self) -> None:
        with self._telling:
            while self._owed and self._notifier.say(*self._owed[0]):
                self._owed.popleft()

    def _look(self) -> None:
        self._pay()
        if not self._has_been_ready:
            if self._is_ready():
                self._has_been_ready = True
                self._tell("READY=1")
            else:
                self._notifier.say(f"EXTEND_TIMEOUT_USEC={_MORE_TIME_US}")
        if not self._is_stopping:
            said = f"STATUS={self._status()}"
            if said != self._said and self._notifier.say(said):
                self._said = said
        if self._feed_seconds is not None and monotonic() >= self._next_feed:
            self._feed(self._feed_seconds)

    def _feed(self, pause: float) -> None:
        steps = self._steps()
        if steps != self._seen_steps and self._notifier.say("WATCHDOG=1"):
            self._seen_steps = steps
            self._next_feed = monotonic() + pause
