"""RQ: eight worker processes, because each works on one job at a time.

Fast: workers that do not fork, and results that are not kept. Durable: the usual worker, which forks for every job;
three retries, and abandoned jobs looked for every 10 s and not every 10 minutes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from redis import Redis
from rq import Queue, Retry

from tests.bench.peers import work as kinds
from tests.bench.peers.serving import LOW, NORMAL, URGENT, Adapter, Place, script, serve

_QUEUES = (URGENT, NORMAL, LOW)


class WithRQ(Adapter):
    """RQ's own calls and its own commands, with a queue for each level."""

    command = (script("rq"), "--help")

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        connection = Redis.from_url(place.redis)
        self._queues = {level: Queue(level, connection=connection) for level in _QUEUES}
        self._keeping: dict[str, Any] = {"retry": Retry(max=3)} if place.durable else {"result_ttl": 0}

    def submit(self, work: str, name: str, level: str) -> None:
        """Enqueue one job."""
        self._queues[level].enqueue(getattr(kinds, work), name, **self._keeping)

    def submit_many(self, work: str, names: Sequence[str], level: str) -> None:
        """Enqueue many jobs."""
        function = getattr(kinds, work)
        self._queues[level].enqueue_many(
            [Queue.prepare_data(function, args=(name,), **self._keeping) for name in names]
        )

    def workers(self) -> Sequence[Sequence[str]]:
        """Return the command of a pool, or of as many workers where they need settings that a pool does not take."""
        if not self.place.durable:
            pool = ("--num-workers", str(self.place.slots), "--worker-class", "rq.SimpleWorker", "--quiet")
            return [[script("rq"), "worker-pool", "--url", self.place.redis, *pool, *_QUEUES]]
        looking = ("--maintenance-interval", "10", "--job-monitoring-interval", "5", "--worker-ttl", "25")
        words = [script("rq"), "worker", "--url", self.place.redis, "--quiet", *looking, *_QUEUES]
        return [words] * self.place.slots


if __name__ == "__main__":
    serve(WithRQ)
