"""Procrastinate on PostgreSQL: one process, eight async tasks at a time.

Durable: commits wait for the disk, and jobs whose worker is gone are retried by a periodic task of the user's, as its
documentation has it, here every 5 s for workers that have been silent for 10 s.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from procrastinate import App, PsycopgConnector

from tests.bench.peers import work
from tests.bench.peers.serving import LOW, NORMAL, URGENT, Adapter, Place, script, serve

_PRIORITIES = {URGENT: 10, NORMAL: 5, LOW: 1}
_SILENT_SECONDS = 10

place = Place.of_environment()
app = App(
    connector=PsycopgConnector(conninfo=place.postgres),
    worker_defaults={"update_heartbeat_interval": 2.0, "stalled_worker_timeout": float(_SILENT_SECONDS)}
    if place.durable
    else {},
)


@app.task(name="noop")
async def _noop(name: str) -> None:
    work.noop(name)


@app.task(name="stamp")
async def _stamp(name: str) -> None:
    work.stamp(name)


app.task(work.brief_async, name="brief")
app.task(work.nap_async, name="nap")

if place.durable:

    @app.periodic(cron="*/5 * * * * *")
    @app.task(name="retry_stalled", queueing_lock="retry_stalled", pass_context=True)
    async def _retry_stalled(context: Any, timestamp: int) -> None:
        for job in await app.job_manager.get_stalled_jobs(seconds_since_heartbeat=_SILENT_SECONDS):
            await app.job_manager.retry_job(job)


class WithProcrastinate(Adapter):
    """Procrastinate's own synchronous calls and its own command."""

    command = (script("procrastinate"), "--help")

    def prepare(self) -> None:
        """Open the connections and make the tables."""
        app.open()
        app.schema_manager.apply_schema()

    def submit(self, work: str, name: str, level: str) -> None:
        """Defer one job."""
        app.tasks[work].configure(priority=_PRIORITIES[level]).defer(name=name)

    def submit_many(self, work: str, names: Sequence[str], level: str) -> None:
        """Defer many jobs."""
        jobs = [{"name": name} for name in names]
        app.tasks[work].configure(priority=_PRIORITIES[level]).batch_defer(*jobs)

    def workers(self) -> Sequence[Sequence[str]]:
        """Return the command of one worker."""
        words = ("--app", "tests.bench.peers.adapters.procrastinate.app", "worker")
        return [[script("procrastinate"), *words, "--concurrency", str(self.place.slots)]]


if __name__ == "__main__":
    serve(WithProcrastinate)
