"""Huey: one process of eight threads, on Redis or on SQLite.

It acknowledges nothing, so on Redis its durable settings are the server's alone. On SQLite they are fsync at every
commit; its polling there is set to at most 50 ms.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from huey import PriorityRedisHuey, SqliteHuey

from tests.bench.peers import work
from tests.bench.peers.serving import LOW, NORMAL, URGENT, Adapter, Place, script, serve

_PRIORITIES = {URGENT: 10, NORMAL: 5, LOW: 1}

place = Place.of_environment()
huey = (
    PriorityRedisHuey("peers", url=place.redis, results=False)
    if place.redis
    else SqliteHuey("peers", filename=str(place.folder / "huey.db"), fsync=place.durable, results=False)
)
tasks = {name: huey.task()(getattr(work, name)) for name in work.KINDS}


class WithHuey(Adapter):
    """Huey's own calls and its own consumer."""

    cannot: ClassVar = {"bulk": "no call for many"}
    command = (script("huey_consumer"), "--help")

    def submit(self, work: str, name: str, level: str) -> None:
        """Enqueue one task."""
        tasks[work](name, priority=_PRIORITIES[level])

    def workers(self) -> Sequence[Sequence[str]]:
        """Return the command of one consumer."""
        polling = ("--delay", "0.01", "--max-delay", "0.05")
        words = ("--workers", str(self.place.slots), "--worker-type", "thread", "--quiet", *polling)
        return [[script("huey_consumer"), "tests.bench.peers.adapters.huey.huey", *words]]


if __name__ == "__main__":
    serve(WithHuey)
