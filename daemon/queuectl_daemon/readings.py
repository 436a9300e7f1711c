"""What is read from the database for a scrape: in a thread of its own, and never waited for longer than is said."""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
from dataclasses import dataclass

from queuectl.clock import monotonic
from queuectl.domain.health import Health
from queuectl.domain.status import RealtimeStatus
from queuectl.errors import QueuectlError
from queuectl.operations.health import judge
from queuectl.operations.monitor import Monitor
from queuectl.settings import Settings
from queuectl.store.database import Database

logger = logging.getLogger("queuectl.daemon")

TIME_OUT_SECONDS = 2.0
"""A scrape waits so long for the database."""

FRESH_SECONDS = 1.0
"""Whoever scrapes within this time of another is answered by the same reading."""

KEPT_SECONDS = 150.0
"""So long after a scrape the connection stays open for the next one: to open one costs more than to read."""


@dataclass(frozen=True, slots=True)
class Reading:
    """The system at one moment."""

    status: RealtimeStatus
    health: Health


class Readings:
    """Reads when asked, once for all who ask at the same time, in a thread that stays while somebody asks."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self._settings = settings
        self._database = database
        self._monitor = Monitor(settings, database)
        self._lock = threading.Lock()
        self._under_way: _UnderWay | None = None
        self._kept: tuple[float, Reading] | None = None
        self._wanted: queue.SimpleQueue[_UnderWay | None] = queue.SimpleQueue()
        self._reader: threading.Thread | None = None

    def latest(self, time_out: float = TIME_OUT_SECONDS) -> Reading | None:
        """Return a fresh reading; None if the database does not answer within so many seconds."""
        with self._lock:
            if self._kept is not None and monotonic() - self._kept[0] < FRESH_SECONDS:
                return self._kept[1]
            if self._under_way is None:
                if not self._has_reader():
                    return None
                self._under_way = _UnderWay()
                self._wanted.put(self._under_way)
            under_way = self._under_way
        under_way.done.wait(time_out)
        return under_way.reading

    def forget(self) -> None:
        """Keep nothing of what was read before."""
        with self._lock:
            self._kept = None

    def close(self) -> None:
        """Let the thread end and close its connection, when what it reads has been read."""
        with self._lock:
            if self._reader is not None:
                self._wanted.put(None)
                self._reader = None

    def _has_reader(self) -> bool:
        """Tell whether there is a thread that reads; one is started if need be."""
        if self._reader is not None and self._reader.is_alive():
            return True
        reader = threading.Thread(target=self._read_on, name="metrics", daemon=True)
        try:
            reader.start()
        except RuntimeError:  # the system has no thread to give; the next scrape asks again
            return False
        self._reader = reader
        return True

    def _read_on(self) -> None:
        """Read whenever somebody asks, over one connection, until nobody has asked for long."""
        while (under_way := self._next()) is not None:
            self._read(under_way)
        self._database.close()

    def _next(self) -> _UnderWay | None:
        try:
            return self._wanted.get(timeout=KEPT_SECONDS)
        except queue.Empty:
            with self._lock:  # somebody may have asked at this very moment
                if not self._wanted.empty():
                    return self._wanted.get()
                self._reader = None
                return None

    def _read(self, under_way: _UnderWay) -> None:
        try:
            status = self._monitor.get_realtime_status()
            under_way.reading = Reading(status, judge(self._database, self._settings, status))
        except QueuectlError:
            under_way.reading = None  # the pump says what is wrong with the database
        except Exception:  # a scrape must not end the daemon's other threads' peace
            logger.exception("the metrics could not be read", extra={"action": "metrics_failed"})
            with contextlib.suppress(Exception):  # a disk that is broken may refuse even that
                self._database.close()
        finally:
            with self._lock:
                self._under_way = None
                if under_way.reading is not None:
                    self._kept = (monotonic(), under_way.reading)
            under_way.done.set()


class _UnderWay:
    """A reading that may not have ended."""

    def __init__(self) -> None:
        self.done = threading.Event()
        self.reading: Reading | None = None
