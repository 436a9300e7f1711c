"""PgQueuer on PostgreSQL: one process, fetching single tasks or 100 at once.

Fast: its tables unlogged, commits that do not wait for the disk. Durable: both the other way, as it comes; tasks of a
silent worker are picked again after 10 s. Fetching 100 needs room for 200, so tasks that take time are held to eight
by their own limit.
"""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
from collections.abc import AsyncIterator, Sequence
from typing import Any

import asyncpg
from pgqueuer import PgQueuer, Queries
from pgqueuer.db import AsyncpgDriver

from tests.bench.peers import work as kinds
from tests.bench.peers.serving import LOW, NORMAL, URGENT, Adapter, Place, script, serve

HUNDRED = "100"
_PRIORITIES = {URGENT: 10, NORMAL: 5, LOW: 1}
_LONG = {"brief": kinds.brief_async, "nap": kinds.nap_async}

place = Place.of_environment()


@contextlib.asynccontextmanager
async def manager() -> AsyncIterator[Any]:
    """Give what its command runs: a connection with an entry point for each kind of work."""
    queuer = PgQueuer.from_asyncpg_connection(await asyncpg.connect(place.postgres))
    for name in kinds.KINDS:
        limit = place.slots if name in _LONG and place.variant == HUNDRED else 0
        queuer.entrypoint(name, concurrency_limit=limit)(_entry(name))
    yield queuer


def _entry(name: str) -> Any:
    async def run(job: Any) -> None:
        told = job.payload.decode()
        if name in _LONG:
            await _LONG[name](told)
        else:
            getattr(kinds, name)(told)

    return run


class WithPgQueuer(Adapter):
    """PgQueuer's own calls and its own command."""

    command = (script("pgq"), "--help")

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self._loop = asyncio.new_event_loop()
        self._queries: Any = None

    def prepare(self) -> None:
        """Make the tables and connect."""
        level = "durable" if self.place.durable else "volatile"
        install = [script("pgq"), "--pg-dsn", self.place.postgres, "install", "--durability", level]
        subprocess.run(install, check=True, stdout=subprocess.DEVNULL)
        connection = self._loop.run_until_complete(asyncpg.connect(self.place.postgres))
        self._queries = Queries(AsyncpgDriver(connection))

    def submit(self, work: str, name: str, level: str) -> None:
        """Enqueue one job."""
        self._loop.run_until_complete(self._queries.enqueue(work, name.encode(), _PRIORITIES[level]))

    def submit_each(self, work: str, names: Sequence[str], level: str) -> None:
        """Enqueue jobs one after the other without leaving the event loop."""

        async def enqueue() -> None:
            for name in names:
                await self._queries.enqueue(work, name.encode(), _PRIORITIES[level])

        self._loop.run_until_complete(enqueue())

    def submit_many(self, work: str, names: Sequence[str], level: str) -> None:
        """Enqueue many jobs."""
        payloads = [name.encode() for name in names]
        count = len(names)
        self._loop.run_until_complete(
            self._queries.enqueue([work] * count, payloads, [_PRIORITIES[level]] * count)
        )

    def workers(self) -> Sequence[Sequence[str]]:
        """Return the command of one process."""
        size, room = (100, 200) if self.place.variant == HUNDRED else (1, self.place.slots)
        words = ("--batch-size", str(size), "--max-concurrent-tasks", str(room), "--log-level", "WARNING")
        silent = ("--heartbeat-timeout", "10") if self.place.durable else ()
        entry = "tests.bench.peers.adapters.pgqueuer:manager"
        return [[script("pgq"), "--pg-dsn", self.place.postgres, "run", *words, *silent, entry]]


if __name__ == "__main__":
    serve(WithPgQueuer)
