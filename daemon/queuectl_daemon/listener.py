"""Listen for rings: bytes on the home's socket, and notices through PostgreSQL from other machines."""

from __future__ import annotations

import contextlib
import logging
import os
import selectors
import socket
import threading
from collections.abc import Callable
from pathlib import Path

from queuectl.clock import monotonic
from queuectl.store.database import Database
from queuectl.store.notices import Notices
from queuectl.wakeup import socket_path

logger = logging.getLogger("queuectl.daemon")

_RECONNECT_SECONDS = 1.0


class Listener(threading.Thread):
    """Call ``on_ring`` whenever somebody says that there is something to do."""

    def __init__(self, home: Path, database: Database, on_ring: Callable[[], None]) -> None:
        super().__init__(name="listener", daemon=True)
        self._path = socket_path(home)
        self._notices = Notices(database) if database.engine == "postgresql" else None
        self._on_ring = on_ring
        self._selector = selectors.DefaultSelector()
        self._end, self._stopper = socket.socketpair()
        self._bell = self._open()
        self._stopping = False
        self._ended = threading.Event()
        self._next_connect = 0.0
        self._listens = False

    def run(self) -> None:
        """Wait for rings until stopped."""
        self._selector.register(self._end, selectors.EVENT_READ)
        if self._bell is not None:
            self._selector.register(self._bell, selectors.EVENT_READ)
        while not self._stopping:
            try:
                self._listen()
            except Exception:  # without its rings the pump still looks four times a second
                logger.exception("the listener has failed", extra={"action": "listener_failed"})
                self._ended.wait(_RECONNECT_SECONDS)

    def _listen(self) -> None:
        self._keep_listening()
        for key, _ in self._selector.select(_RECONNECT_SECONDS if self._notices else None):
            self._take(key.fileobj)

    def stop(self) -> None:
        """End the thread and close the sockets."""
        self._stopping = True
        self._ended.set()
        self._stopper.send(b".")
        if self.is_alive():
            self.join(5)
        if self._bell is not None:
            self._bell.close()
            self._path.unlink(missing_ok=True)
        if self._notices is not None:
            self._notices.close()
        self._selector.close()

    def _open(self) -> socket.socket | None:
        self._path.unlink(missing_ok=True)
        bell = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        bell.setblocking(False)
        mask = os.umask(0o177)
        try:
            bell.bind(str(self._path))
        except OSError as error:
            bell.close()
            logger.warning(
                "no wake-up socket at %s (%s); new tasks are found a quarter of a second later",
                self._path,
                error,
            )
            return None
        finally:
            os.umask(mask)
        return bell

    def _keep_listening(self) -> None:
        if self._notices is None or self._listens or monotonic() < self._next_connect:
            return
        self._next_connect = monotonic() + _RECONNECT_SECONDS
        if self._notices.connect():
            self._selector.register(self._notices, selectors.EVENT_READ)
            self._listens = True
            self._on_ring()

    def _take(self, source: object) -> None:
        if source is self._end:
            return
        if source is self._bell and self._bell is not None:
            with contextlib.suppress(BlockingIOError):
                while self._bell.recv(64):
                    pass
        elif isinstance(source, Notices):
            self._take_notices(source)
        self._on_ring()

    def _take_notices(self, notices: Notices) -> None:
        descriptor = self._selector.get_key(notices).fd
        if not notices.drain():
            self._selector.unregister(descriptor)
            self._listens = False
