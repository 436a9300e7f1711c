"""The daemon's own periodic work, rung by APScheduler: late messages, the feed, schedules, retention.

APScheduler only rings the bell: its jobs live in memory, in UTC, with unlimited grace, and each
does the same thing however late or often it is called.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from apscheduler.jobstores.base import JobLookupError
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.interval import IntervalTrigger

from queuectl.clock import monotonic, now_ms
from queuectl.errors import QueuectlError

logger = logging.getLogger("queuectl.daemon")


_JUMP_MS = 2_000


class _Once(BaseTrigger):  # type: ignore[misc]  # APScheduler has no types
    """Rings when the job says, and then in a century."""

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime:
        return now + timedelta(days=36_525)


class Ticker:
    """Call functions at fixed intervals or at a moment, each never twice at once."""

    def __init__(self, *, wall: Callable[[], int] = now_ms, elapsed: Callable[[], float] = monotonic) -> None:
        self._wall = wall
        self._elapsed = elapsed
        self._clocks_apart = self._measured()
        self._scheduler = BackgroundScheduler(
            timezone="UTC",
            job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1},
        )

    def every(self, seconds: float, name: str, work: Callable[[], object], *, at_once: bool = False) -> None:
        """Call ``work`` every ``seconds``, for the first time after that time or ``at_once``."""
        first = {"next_run_time": datetime.now(UTC)} if at_once else {}
        self._scheduler.add_job(_guarded(name, work), "interval", seconds=seconds, id=name, **first)

    def until_done(self, seconds: float, name: str, work: Callable[[], object]) -> None:
        """Call ``work`` at once, beside everything else, and every ``seconds`` again until it has succeeded."""

        def try_it() -> None:
            work()
            with contextlib.suppress(JobLookupError):  # the scheduler forgets its jobs when it stops
                self._scheduler.remove_job(name)

        self.every(seconds, name, try_it, at_once=True)

    def at(self, moment: int, name: str, work: Callable[[], None]) -> None:
        """Call ``work`` at a moment in UTC milliseconds; an earlier call for the same name is replaced."""
        when = datetime.fromtimestamp(moment / 1000, UTC)
        # A job for a single moment is removed when it has rung, and that fails in the middle of a stop.
        self._scheduler.add_job(
            _guarded(name, work), _Once(), next_run_time=when, id=name, replace_existing=True
        )

    def keep_time(self) -> bool:
        """Ring everything periodic at once if the wall clock has jumped, and tell whether it has.

        The intervals are planned on the wall clock, so one that is put back would stop them for as long.
        """
        apart = self._measured()
        jumped = abs(apart - self._clocks_apart) > _JUMP_MS
        self._clocks_apart = apart
        if jumped:
            for job in self._scheduler.get_jobs():
                if isinstance(job.trigger, IntervalTrigger):
                    with contextlib.suppress(JobLookupError):  # what was to be done until then is done
                        job.modify(next_run_time=datetime.now(UTC))
        return jumped

    def _measured(self) -> float:
        return self._wall() - self._elapsed() * 1000

    def start(self) -> None:
        """Begin to ring."""
        self._scheduler.start()

    def stop(self) -> None:
        """Ring no more; work that has begun may end later, or with the process."""
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)


def _guarded(name: str, work: Callable[[], object]) -> Callable[[], None]:
    """Wrap periodic work so that a failure is logged once at its beginning and once at its end."""
    failing = False

    def ring() -> None:
        nonlocal failing
        try:
            work()
        except QueuectlError as error:
            if not failing:
                logger.warning("%s: %s", name, error.message, extra={"action": "periodic_failed"})
            failing = True
        except Exception:  # an unforeseen error in upkeep must not end the upkeep
            if not failing:
                logger.exception("%s has failed", name, extra={"action": "periodic_failed"})
            failing = True
        else:
            if failing:
                logger.info("%s works again", name, extra={"action": "periodic_recovered"})
            failing = False

    return ring
