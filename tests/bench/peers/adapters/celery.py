"""Celery on Redis: two processes, or eight threads.

Fast: acknowledged when fetched, four fetched ahead for each slot, as it comes. Durable: acknowledged when done,
one fetched ahead, and a lost worker's tasks handed out again after 10 s, for which it looks every 5 s (an hour, and
every 100 s, unless one says so).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from celery import Celery

from tests.bench.peers import work
from tests.bench.peers.serving import LOW, NORMAL, URGENT, Adapter, Place, script, serve

THREADS = "threads"
_PROCESSES = 2
_PRIORITIES = {URGENT: 0, NORMAL: 3, LOW: 9}  # on Redis the lowest number goes first
_LOOKING_AFTER = {"visibility_timeout": 10, "unacked_restore_interval": 5, "unacked_restore_throttle": 1}

place = Place.of_environment()
app = Celery("peers", broker=place.redis)
app.conf.update(
    task_ignore_result=True,
    broker_connection_retry_on_startup=True,
    worker_hijack_root_logger=False,
    broker_transport_options={
        "queue_order_strategy": "priority",
        **(_LOOKING_AFTER if place.durable else {}),
    },
    **(
        {"task_acks_late": True, "task_reject_on_worker_lost": True, "worker_prefetch_multiplier": 1}
        if place.durable
        else {}
    ),
)
tasks = {name: app.task(getattr(work, name), name=f"peers.{name}") for name in work.KINDS}


class WithCelery(Adapter):
    """Celery's own calls and its own command."""

    cannot: ClassVar = {"bulk": "no call for many: a group sends one by one"}
    command = (script("celery"), "--help")

    def submit(self, work: str, name: str, level: str) -> None:
        """Send one task."""
        tasks[work].apply_async((name,), priority=_PRIORITIES[level])

    def workers(self) -> Sequence[Sequence[str]]:
        """Return one worker command for both pools."""
        threads = self.place.variant == THREADS
        pool = ("threads", self.place.slots) if threads else ("prefork", _PROCESSES)
        return [
            [
                *(script("celery"), "--app", "tests.bench.peers.adapters.celery", "worker"),
                *("--pool", pool[0], "--concurrency", str(pool[1]), "--loglevel", "WARNING"),
                *("--without-gossip", "--without-mingle"),
            ]
        ]


if __name__ == "__main__":
    serve(WithCelery)
