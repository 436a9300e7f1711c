"""The daemon's own periodic work, rung by APScheduler: late messages, the feed, retention.

APScheduler only rings the bell: its jobs live in memory, in UTC, with unlimited grace, and each
does the same thing however late or often it is called.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime

from apscheduler.schedulers.background import BackgroundScheduler

from queuectl.errors import QueuectlError

logger = logging.getLogger("queuectl.daemon")


class Ticker:
    """Call functions at fixed intervals, each never twice at once."""

    def __init__(self) -> None:
        self._scheduler = BackgroundScheduler(
            timezone="UTC",
            job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1},
        )

    def every(self, seconds: float, name: str, work: Callable[[], object], *, at_once: bool = False) -> None:
        """Call ``work`` every ``seconds``, for the first time after that time or ``at_once``."""
        first = {"next_run_time": datetime.now(UTC)} if at_once else {}
        self._scheduler.add_job(_guarded(name, work), "interval", seconds=seconds, id=name, **first)

    def once(self, name: str, work: Callable[[], None]) -> None:
        """Call ``work`` one time, beside everything else."""
        self._scheduler.add_job(_guarded(name, work), "date", id=name)

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
