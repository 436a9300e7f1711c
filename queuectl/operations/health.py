"""Measure what the health depends on beside the status, and judge all of it by the settings' limits."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from queuectl.clock import monotonic, now_ms
from queuectl.domain.health import Disk, Health, Lag, Limits, Surroundings, assess, unreachable
from queuectl.domain.status import RealtimeStatus
from queuectl.errors import UnreachableError
from queuectl.settings import Settings
from queuectl.store import article_deliveries, schedules
from queuectl.store.database import Database


def measure_health(
    database: Database, settings: Settings, read_status: Callable[[], RealtimeStatus]
) -> Health:
    """Return the health of the installation; a database that does not answer is a finding like any other."""
    try:
        return judge(database, settings, read_status())
    except UnreachableError as error:
        return unreachable(now_ms(), error.message, error.hint)


def judge(database: Database, settings: Settings, status: RealtimeStatus) -> Health:
    """Return the health by a status that has been read already.

    Raises:
        UnreachableError: the database is gone.
    """
    with database.reading() as transaction:
        begun = monotonic()
        now = transaction.now()
        late = schedules.most_overdue(transaction)
        deliveries = article_deliveries.count(transaction) if settings.publish_webhook is not None else None
        took = (monotonic() - begun) * 1000
    lag = None if late is None else Lag(late[0], max(0, now - late[1]))
    around = Surroundings(tuple(_disks(settings)), lag, took, deliveries)
    return assess(status, around, limits_of(settings))


def limits_of(settings: Settings) -> Limits:
    """Return from when on something is a warning."""
    return Limits(
        wait_ms=round(settings.health_wait * 1000),
        failure_rate=settings.health_failure_rate,
        dead_letters=settings.health_dead_letters,
        schedule_lag_ms=round(settings.health_schedule_lag * 1000),
        disk_free=round(settings.health_disk * 1024 * 1024),
    )


def _disks(settings: Settings) -> Iterator[Disk]:
    """Return the disk of the home, and that of an SQLite file elsewhere."""
    folders = [settings.home]
    if settings.database_url.startswith("sqlite:"):
        file = Path(settings.database_url.removeprefix("sqlite:///"))
        if not file.is_relative_to(settings.home):
            folders.append(file.parent)
    for folder in folders:
        there = next(each for each in (folder, *folder.parents) if each.exists())
        yield Disk(str(folder), shutil.disk_usage(there).free)
