"""Taskiq on Redis: one process, eight async tasks at a time.

Fast: a list, from which a task is gone once fetched. Durable: a stream, where a task is acknowledged when it is done
and fetched again when it has been idle for 10 s (10 minutes unless one says so).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import ClassVar

from taskiq_redis import ListQueueBroker, RedisStreamBroker

from tests.bench.peers import work
from tests.bench.peers.serving import Adapter, Place, script, serve

_IDLE_MILLISECONDS = 10_000

place = Place.of_environment()
broker = (
    RedisStreamBroker(place.redis, idle_timeout=_IDLE_MILLISECONDS, unacknowledged_lock_timeout=5.0)
    if place.durable
    else ListQueueBroker(place.redis)
)


@broker.task(task_name="noop")
async def _noop(name: str) -> None:
    work.noop(name)


@broker.task(task_name="stamp")
async def _stamp(name: str) -> None:
    work.stamp(name)


tasks = {
    "noop": _noop,
    "stamp": _stamp,
    "brief": broker.register_task(work.brief_async, task_name="brief"),
    "nap": broker.register_task(work.nap_async, task_name="nap"),
}


class WithTaskiq(Adapter):
    """Taskiq's own calls and its own command."""

    cannot: ClassVar = {"bulk": "no call for many", "urgent": "no priorities"}
    command = (script("taskiq"), "--help")

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self._loop = asyncio.new_event_loop()

    def prepare(self) -> None:
        """Connect; a stream's group is made now, or it would begin after the first tasks."""
        self._loop.run_until_complete(broker.startup())

    def submit(self, work: str, name: str, level: str) -> None:
        """Send one task."""
        self._loop.run_until_complete(tasks[work].kiq(name))

    def submit_each(self, work: str, names: Sequence[str], level: str) -> None:
        """Send tasks one after the other without leaving the event loop."""

        async def send() -> None:
            for name in names:
                await tasks[work].kiq(name)

        self._loop.run_until_complete(send())

    def workers(self) -> Sequence[Sequence[str]]:
        """Return the command of one process."""
        words = ("--workers", "1", "--max-async-tasks", str(self.place.slots), "--log-level", "WARNING")
        return [[script("taskiq"), "worker", *words, "tests.bench.peers.adapters.taskiq:broker"]]


if __name__ == "__main__":
    serve(WithTaskiq)
