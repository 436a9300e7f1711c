"""The metrics of this daemon for Prometheus: ``Metrics.exposition()`` is what ``/metrics`` answers.

Counters and histograms, and gauges of the process, are this node's own: they begin at 0 with it, and are added up
over the nodes. What is read from the database is the same whichever node is asked: take the maximum. docs/monitoring.md
names each of them. Label values come from fixed sets, never from what somebody has submitted.
"""

from __future__ import annotations

import platform
from collections.abc import Iterator
from typing import TYPE_CHECKING

from queuectl import __version__
from queuectl.clock import now_ms
from queuectl.domain.histogram import PER_DOUBLING, Gathering, upper_bound
from queuectl.domain.lifecycle import State
from queuectl.domain.observed import Seen
from queuectl.settings import Settings
from queuectl.store.database import Database
from queuectl_daemon.measures import Measures, Tally
from queuectl_daemon.readings import Reading, Readings

if TYPE_CHECKING:
    from prometheus_client.core import Metric
    from prometheus_client.registry import CollectorRegistry

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
"""What ``exposition`` returns, in the words of HTTP."""

_RUN_DOUBLINGS = range(2, 22)
_WAIT_DOUBLINGS = range(0, 28, 2)
"""Bounds of durations are powers of two milliseconds: there the buckets of the statistics end, so counts are exact."""

_OUTCOMES = ("succeeded", "retried", "dead", "cancelled", "released")


class Metrics:
    """All metrics of a daemon. ``exposition`` may be called from any thread that may wait for a second or two.

    It reads the database over a connection of its own, in a thread of its own, and waits no longer than
    ``readings.TIME_OUT_SECONDS`` for it: then ``queuectl_database_up`` is 0, and what would have been read is left out.
    """

    content_type = CONTENT_TYPE

    def __init__(self, settings: Settings, database: Database, measures: Measures) -> None:
        self._engine = database.engine
        self._measures = measures
        self._started_at = now_ms()
        self._readings = Readings(settings, database)
        self._registry: CollectorRegistry | None = None

    def exposition(self) -> bytes:
        """Return all metrics in Prometheus's text format, whose content type is ``content_type``."""
        from prometheus_client.exposition import generate_latest

        if self._registry is None:
            self._registry = self._made_registry()
        return generate_latest(self._registry)

    def forget(self) -> None:
        """Let the next scrape read anew, however soon it comes."""
        self._readings.forget()

    def close(self) -> None:
        """Let go of the database; a scrape that comes later takes it up again."""
        self._readings.close()

    def collect(self) -> Iterator[Metric]:
        """Yield every metric as it is now; the library calls this."""
        yield from self._of_process()
        yield from self._of_tasks()
        reading = self._readings.latest()
        yield _gauge(
            "queuectl_database_up", "Whether the database answered this scrape.", reading is not None
        )
        if reading is not None:
            yield from _of_database(reading)
        yield _gauge(
            "queue_health_score",
            "Health from 0 to 100, as queuectl health gives it.",
            0 if reading is None else reading.health.score,
        )

    def _made_registry(self) -> CollectorRegistry:
        from prometheus_client.process_collector import ProcessCollector
        from prometheus_client.registry import CollectorRegistry

        registry = CollectorRegistry(auto_describe=False)
        ProcessCollector(registry=registry)
        registry.register(self)
        return registry

    def _of_process(self) -> Iterator[Metric]:
        from prometheus_client.core import GaugeMetricFamily

        node = self._measures.node()
        info = GaugeMetricFamily(
            "queuectl_build_info",
            "Always 1; its labels say what runs.",
            labels=("version", "python", "engine", "transport"),
        )
        info.add_metric((__version__, platform.python_version(), self._engine, node.transport), 1)
        yield info
        yield _gauge(
            "queuectl_start_time_seconds", "When this daemon began, in Unix time.", self._started_at / 1000
        )
        yield _gauge("queuectl_workers", "How many tasks this daemon runs at a time.", node.workers)
        yield _gauge("queuectl_workers_busy", "How many tasks run in this daemon.", node.busy)
        yield _gauge("queuectl_dispatch_window", "How many tasks this daemon may hold.", node.window)
        yield _gauge("queuectl_transport_up", "Whether what carries messages answers.", node.transport_up)
        measures = self._measures
        yield _histogram(
            "queuectl_pump_tick_seconds", "How long a tick that moved tasks took.", measures.ticks
        )
        yield _histogram(
            "queuectl_recorded_batch_size", "How many ends of runs one tick recorded.", measures.recorded
        )
        yield _histogram("queuectl_claimed_batch_size", "How many tasks one tick claimed.", measures.claimed)
        yield _histogram(
            "queuectl_schedule_lag_seconds", "By how much schedules were fired late.", measures.lags
        )

    def _of_tasks(self) -> Iterator[Metric]:
        from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily

        processed = CounterMetricFamily(
            "tasks_processed", "Runs that this daemon has recorded the end of.", labels=("queue", "outcome")
        )
        attempts = CounterMetricFamily(
            "queuectl_attempts", "Runs that ended, without those given back.", labels=("queue",)
        )
        retries = CounterMetricFamily(
            "queuectl_retries", "Runs that failed and are to be repeated.", labels=("queue",)
        )
        letters = CounterMetricFamily("queuectl_dead_letters", "Tasks given up.", labels=("queue",))
        runs = HistogramMetricFamily("task_duration_seconds", "How long runs took.", labels=("queue",))
        waits = HistogramMetricFamily(
            "queuectl_task_wait_seconds",
            "How long runs had waited since they could start.",
            labels=("queue",),
        )
        for queue, seen in self._measures.queues().items():
            for outcome in _OUTCOMES:
                processed.add_metric((queue, outcome), _ended(seen, outcome))
            attempts.add_metric((queue,), seen.counts["attempts"])
            retries.add_metric((queue,), seen.counts["retried"])
            letters.add_metric((queue,), seen.counts["dead"])
            runs.add_metric((queue,), _cumulative(seen.runs, _RUN_DOUBLINGS), seen.runs.total_ms / 1000)
            waits.add_metric((queue,), _cumulative(seen.waits, _WAIT_DOUBLINGS), seen.waits.total_ms / 1000)
        yield from (processed, attempts, retries, letters, runs, waits)


def _of_database(reading: Reading) -> Iterator[Metric]:
    """Yield what is the same whichever node is asked."""
    from prometheus_client.core import GaugeMetricFamily

    status = reading.status
    sizes = GaugeMetricFamily("queue_size", "Tasks by queue and state.", labels=("queue", "state"))
    rates = GaugeMetricFamily(
        "task_failure_rate", "Share of the runs of the last 15 minutes that failed.", labels=("queue",)
    )
    oldest = GaugeMetricFamily(
        "queuectl_oldest_wait_seconds",
        "How long the task that waits longest has been due.",
        labels=("queue",),
    )
    room = GaugeMetricFamily(
        "queuectl_queue_max_size", "How many tasks may wait; +Inf without a limit.", labels=("queue",)
    )
    paused = GaugeMetricFamily("queuectl_queue_paused", "Whether the queue is paused.", labels=("queue",))
    for queue in status.queues:
        for state in State:
            sizes.add_metric((queue.name, state.value), getattr(queue, state.value))
        rates.add_metric((queue.name,), queue.recent.failure_rate or 0)
        oldest.add_metric((queue.name,), (queue.oldest_wait_ms or 0) / 1000)
        room.add_metric((queue.name,), float("inf") if queue.max_size is None else queue.max_size)
        paused.add_metric((queue.name,), queue.paused)
    yield from (sizes, rates, oldest, room, paused)
    alive = sum(node.alive for node in status.nodes)
    yield _gauge("queuectl_nodes", "Daemons that use this database and were heard of lately.", alive)
    yield _gauge(
        "queuectl_dead_letters_waiting",
        "Dead letters that wait for a decision, counted up to 10001.",
        status.dead_letters,
    )
    values = {check.name: check.value or 0 for check in reading.health.checks}
    yield _gauge(
        "queuectl_schedule_overdue_seconds",
        "By how much the schedule is late that is due for the longest time.",
        values.get("schedules", 0) / 1000,
    )
    yield _gauge(
        "queuectl_articles_undelivered",
        "Articles that the webhook was not given: given up, or tried in vain for too long.",
        values.get("webhook", 0),
    )
    disks = [check.value or 0 for check in reading.health.checks if check.name == "disk"]
    yield _gauge(
        "queuectl_disk_free_bytes",
        "Free bytes of this node's disk, the fullest of them.",
        min(disks, default=0),
    )


def _ended(seen: Seen, outcome: str) -> int:
    counts = seen.counts
    if outcome != "cancelled":
        return counts[outcome]
    # Tasks are cancelled while they wait, too; of the runs those are left that ended in no other way.
    return counts["attempts"] - counts["succeeded"] - counts["retried"] - counts["dead"]


def _gauge(name: str, text: str, value: float) -> Metric:
    from prometheus_client.core import GaugeMetricFamily

    return GaugeMetricFamily(name, text, value=float(value))


def _histogram(name: str, text: str, tally: Tally) -> Metric:
    from prometheus_client.core import HistogramMetricFamily

    family = HistogramMetricFamily(name, text)
    family.add_metric((), tally.cumulative(), tally.total)
    return family


def _cumulative(gathering: Gathering, doublings: range) -> list[tuple[str, float]]:
    """Return for each bound in seconds, and for all, how many times were no longer."""
    found, seen = [], 0
    pending = iter(sorted(gathering.buckets.items()))
    bucket, count = next(pending, (None, 0))
    for doubling in doublings:
        last = doubling * PER_DOUBLING
        while bucket is not None and bucket <= last:
            seen += count
            bucket, count = next(pending, (None, 0))
        found.append((str(upper_bound(last) / 1000), float(seen)))
    return [*found, ("+Inf", float(sum(gathering.buckets.values())))]
