"""Fire schedules when their ticks are due: look now and then, ring at the next tick, read each source in a thread.

A source may answer slowly, so a few are read at a time, none of them in the pump's thread; whatever happens to
one of them is recorded with its tick and stops no other.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections import deque
from collections.abc import Callable

from queuectl.clock import now_ms
from queuectl.domain.schedule import Schedule
from queuectl.domain.task import batch_name
from queuectl.errors import DatabaseUnreachableError, QueuectlError
from queuectl.operations.firing import Fired, Firing
from queuectl.operations.sources.reading import SourceReader
from queuectl.settings import Settings
from queuectl.store.database import Database

logger = logging.getLogger("queuectl.daemon")

LOOK_SECONDS = 2.0
"""How soon a schedule is noticed that another program has added or changed."""

_AT_ONCE = 4
_BELL = "due schedules"

Ring = Callable[[int, str, Callable[[], None]], None]
"""Calls a function at a moment in UTC milliseconds; an earlier wish of the same name is replaced."""


class Schedules:
    """Fires this node's share of the schedules.

    ``on_submitted`` is called when there are new tasks, ``on_late`` for each tick with how many milliseconds
    after its moment it was fired.
    """

    def __init__(
        self,
        database: Database,
        settings: Settings,
        node: str,
        *,
        ring: Ring,
        on_submitted: Callable[[], None],
        on_late: Callable[[int], None],
    ) -> None:
        self._database = database
        self._node = node
        self.adopt(settings)
        self._ring = ring
        self._on_submitted = on_submitted
        self._on_late = on_late
        self._room = threading.Semaphore(_AT_ONCE)
        self._left_over: deque[Schedule] = deque()
        self._told = ""
        self._stopped = False

    def adopt(self, settings: Settings) -> None:
        """Read sources and submit by these settings from the next tick on."""
        self._firing = Firing(self._database, settings, SourceReader(settings), node=self._node)

    def look(self) -> None:
        """Begin to fire what is due, and ask to be called again when the next schedule is."""
        with contextlib.suppress(DatabaseUnreachableError):  # the pump says so, and the next look is soon
            self._look()

    def _look(self) -> None:
        while self._left_over:
            self._firing.give_back(self._left_over[0])
            self._left_over.popleft()
        while not self._stopped:
            wait = self._firing.wait_ms()
            if wait is None:
                return
            if wait > 0:
                self._ring(now_ms() + wait, _BELL, self.look)
                return
            if not self._begin():
                return

    def stop(self) -> None:
        """Begin no more; what is being fired is either committed before the process ends or still due."""
        self._stopped = True

    def _begin(self) -> bool:
        """Claim a due schedule and fire it in a thread; False if there is no room or another node was faster."""
        if not self._room.acquire(blocking=False):
            return False  # whoever makes room looks again
        schedule = None
        try:
            schedule = self._firing.claim()
        finally:
            if schedule is None:
                self._room.release()
        if schedule is None:
            return False
        try:
            threading.Thread(
                target=self._fire, args=(schedule,), name=f"fire {schedule.name}", daemon=True
            ).start()
        except BaseException:  # no memory for a thread: it is given back, and its place is free
            self._left_over.append(schedule)
            self._room.release()
            raise
        return True

    def _fire(self, schedule: Schedule) -> None:
        try:
            for fired in self._firing.fire(schedule):
                self._report(fired)
        except QueuectlError as error:
            # It is given back at the next look, or when the database answers again; that this is away the pump reports.
            self._left_over.append(schedule)
            if not isinstance(error, DatabaseUnreachableError) and error.message != self._told:
                self._told = error.message
                logger.warning(
                    "schedule %s is tried again: %s",
                    schedule.name,
                    error.message,
                    extra={"action": "tick_postponed"},
                )
        except Exception:
            logger.exception("schedule %s could not be fired", schedule.name, extra={"action": "tick_failed"})
            self._left_over.append(schedule)
        else:
            self._told = ""
        finally:
            self._database.close()
            self._room.release()
        if not self._stopped and not self._left_over:
            self._ring(now_ms(), _BELL, self.look)

    def _report(self, fired: Fired) -> None:
        schedule, tick = fired.schedule, fired.tick
        facts = {"action": f"tick_{tick.outcome}"}
        if not tick.by_hand:
            self._on_late(tick.fired_at - tick.tick_at)
        if tick.outcome == "submitted":
            if schedule.problem is not None:
                logger.info("schedule %s: its source is good again", schedule.name, extra=facts)
            if tick.batch_id is not None:
                batch = batch_name(tick.batch_id)
                logger.info("schedule %s: %d tasks in %s", schedule.name, tick.accepted, batch, extra=facts)
                self._on_submitted()
        elif tick.outcome == "skipped":
            logger.info("schedule %s: skipped, %s", schedule.name, tick.problem, extra=facts)
        elif fired.is_news:
            logger.warning("schedule %s: %s", schedule.name, tick.problem, extra=facts)
