"""What it costs to look: the status, a scrape and a month of statistics inside a process, with a million tasks stored.

The tasks are put there as rows that have ended over a month, with the statistics that their daemons would have kept.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from queuectl.clock import now_ms
from queuectl.domain.observed import Observed
from queuectl.domain.priority import QUEUES
from queuectl.operations.adding_up import add_up
from queuectl.operations.monitor import Monitor
from queuectl.operations.statistics import read_statistics
from queuectl.settings import Settings
from queuectl.store import observations
from queuectl.store.database import Database
from queuectl_daemon.capacity import Capacity
from queuectl_daemon.flights import Flights
from queuectl_daemon.kinds import Kinds
from queuectl_daemon.measures import Measures
from queuectl_daemon.metrics import Metrics
from tests.bench.figures import Bound, Figure, figure
from tests.bench.stage import ENGINES, Place, Stage

_TIMES = 11
_LOOK, _MONTH = Bound(50), Bound(500)
_HOUR_MS, _DAY_MS = 3_600_000, 86_400_000
_DAYS = 30
_HOSTS = 300


def run(stage: Stage) -> list[Figure]:
    """Look at the store of each engine in turn."""
    stored = stage.size(1_000_000, 10_000)
    figures: list[Figure] = []
    for kind in ENGINES:
        place = stage.stocked(kind, stored)
        database = Database(place.settings.database_url)
        _keep_statistics(place, database, stored)
        looks = _looks(place.settings, database)
        took: dict[str, list[float]] = {name: [] for name, _, _ in looks}
        for _ in stage.rounds(f"seeing, {kind}"):
            for _ in range(stage.size(_TIMES, 3)):
                for name, look, _ in looks:
                    took[name].append(_milliseconds(look))
        figures += [
            figure(f"{kind}: {name}, {stored:,} tasks", took[name], "ms", bound) for name, _, bound in looks
        ]
        database.close()
    return figures


def _looks(settings: Settings, database: Database) -> list[tuple[str, Callable[[], object], Bound]]:
    monitor = Monitor(settings, database)
    flights = Flights()
    measures = Measures(flights, Capacity(flights, 8, Kinds({}, lambda _: "thread", dict)))
    metrics = Metrics(settings, database, measures)
    now = now_ms()
    since = now - _DAYS * _DAY_MS

    def scrape() -> bytes:
        metrics.forget()  # or it would be answered by the reading of the one before
        return metrics.exposition()

    def month(step: str, by: str) -> Callable[[], object]:
        return lambda: read_statistics(database, settings, since, now, step=step, by=by)

    return [
        ("get_realtime_status", monitor.get_realtime_status, _LOOK),
        ("get_health", monitor.get_health, _LOOK),
        ("a scrape", scrape, _LOOK),
        ("a month by days and queue", month("day", "queue"), _MONTH),
        ("a month by hours and queue", month("hour", "queue"), _MONTH),
        ("a month by days and host", month("day", "host"), _MONTH),
    ]


def _keep_statistics(place: Place, database: Database, tasks: int) -> None:
    """Keep what it would be if these tasks had come and ended over a month, on some hundred hosts."""
    begin = now_ms() - _DAYS * _DAY_MS
    each = _DAYS * _DAY_MS / tasks
    group = 2_000
    for first in range(0, tasks, group):
        observed = Observed()
        for number in range(first, min(first + group, tasks)):
            queue, host = QUEUES[number % len(QUEUES)], f"site-{number % _HOSTS}.example"
            # In the first minute of the hour: the minutes of a month are not kept.
            seen = observed.of(round(begin + number * each) // _HOUR_MS * _HOUR_MS, queue, host)
            for name in ("submitted", "attempts", "succeeded"):
                seen.counts[name] += 1
            seen.waits.add(number * 7919 % 60_000)
            seen.runs.add(50 + number * 104_729 % 20_000)
        with database.writing() as transaction:
            observations.put(transaction, observed)
    while add_up(database, place.settings):
        pass


def _milliseconds(look: Callable[[], object]) -> float:
    start = time.perf_counter()
    look()
    return (time.perf_counter() - start) * 1000
