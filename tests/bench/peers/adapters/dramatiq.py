"""Bare Dramatiq on Redis: one process of eight threads, the stock broker with the stock middleware.

Durable: a worker that is gone is noticed after 10 s and not after a minute, and looked for a hundred times as often.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import dramatiq
from dramatiq.brokers.redis import RedisBroker

from tests.bench.peers import work
from tests.bench.peers.serving import LOW, NORMAL, URGENT, Adapter, Place, script, serve

_QUEUES = {URGENT: ("urgent", 0), NORMAL: ("default", 0), LOW: ("low", 3)}
_NOTICING = {"heartbeat_timeout": 10_000, "maintenance_chance": 100_000}

place = Place.of_environment()
broker = RedisBroker(url=place.redis, **(_NOTICING if place.durable else {}))
actors = {
    (name, level): dramatiq.actor(  # type: ignore[call-overload]
        getattr(work, name),
        actor_name=f"{name}_{level}",
        broker=broker,
        queue_name=queue,
        priority=priority,
    )
    for name in work.KINDS
    for level, (queue, priority) in _QUEUES.items()
}


class WithDramatiq(Adapter):
    """Dramatiq's own calls and its own command, with a queue for each level."""

    cannot: ClassVar = {"bulk": "no call for many: a group sends one by one"}
    command = (script("dramatiq"), "--help")

    def submit(self, work: str, name: str, level: str) -> None:
        """Send one message."""
        actors[work, level].send(name)

    def workers(self) -> Sequence[Sequence[str]]:
        """Return the command of one process."""
        words = ("--processes", "1", "--threads", str(self.place.slots))
        return [[script("dramatiq"), "tests.bench.peers.adapters.dramatiq:broker", *words]]


if __name__ == "__main__":
    serve(WithDramatiq)
