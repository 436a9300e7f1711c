"""How fast tasks that do nothing pass through: durable on each engine, and bare Dramatiq without any record.

All tasks wait before the workers start. The clock runs from the first success to the last.
"""

from __future__ import annotations

import contextlib

from queuectl.domain.task import ArticleTask
from queuectl.store.database import Database
from tests.bench.daemon import Daemon
from tests.bench.figures import Bound, Figure, figure, ratio
from tests.bench.handlers import count_stamps, read_stamps
from tests.bench.peer import Peer, PeerProcess
from tests.bench.stage import KINDS, POSTGRES, REDIS, SQLITE, Place, Stage, urls
from tests.support.waiting import wait_until

_PEER = "bare Dramatiq"
_BOUNDS = {SQLITE: Bound(4, at_least=True), POSTGRES: None, REDIS: Bound(3, at_least=True)}
_PATIENCE = 180


def run(stage: Stage) -> list[Figure]:
    """Measure all of them in turn, round after round."""
    tasks = stage.size(20_000, 500)
    speeds: dict[str, list[float]] = {name: [] for name in (_PEER, *KINDS)}
    for _ in stage.rounds("drain"):
        speeds[_PEER].append(_drain_peer(stage, tasks))
        for kind in KINDS:
            with stage.place(kind) as place:
                speeds[kind].append(drain(place, tasks))
    return [
        *(figure(f"{name}: {tasks:,} tasks", speeds[name], "tasks/s") for name in speeds),
        *(ratio(f"{kind} against {_PEER}", speeds[kind], speeds[_PEER], _BOUNDS[kind]) for kind in KINDS),
    ]


def drain(place: Place, tasks: int) -> float:
    """Return how many of these tasks that do nothing pass through in a second."""
    with place.manager() as manager:
        manager.submit_batch(ArticleTask(url, handler="noop") for url in urls(tasks))
    with Daemon(place) as daemon:
        daemon.wait_until_done(tasks, within=_PATIENCE)
    database = Database(place.settings.database_url)
    with contextlib.closing(database), database.reading() as transaction:
        rows = transaction.rows(
            "SELECT MIN(finished_at), MAX(finished_at), COUNT(*) FROM tasks WHERE state = 'succeeded'"
        )
    first, last, count = rows[0]
    assert count == tasks, f"{count} of {tasks} tasks have succeeded"
    return (tasks - 1) * 1000 / float(last - first)


def _drain_peer(stage: Stage, tasks: int) -> float:
    url, folder = stage.redis.fresh_url(), stage.folder()
    with contextlib.closing(Peer(url)) as peer:
        for _ in range(tasks):
            peer.noop.send()
    with PeerProcess(url, folder, expected=tasks):
        wait_until(
            lambda: count_stamps(folder) == 2, within=_PATIENCE, describing=f"Dramatiq to do {tasks} tasks"
        )
    stamps = read_stamps(folder)
    return (tasks - 1) * 1e9 / (stamps["last"][0] - stamps["first"][0])
