"""What an idle daemon keeps in memory: its own process, and all of its processes together."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import psutil

from tests.bench.daemon import Daemon
from tests.bench.figures import Bound, Figure, figure
from tests.bench.stage import ENGINES, KINDS, Stage, urls

_BOUND = Bound(120)
_MEGABYTE = 1_000_000


def run(stage: Stage) -> list[Figure]:
    """Measure each kind of installation after it has been idle for some seconds."""
    own: dict[str, list[float]] = {kind: [] for kind in KINDS}
    family: dict[str, list[float]] = {kind: [] for kind in KINDS}
    sizes: set[int] = set()
    for _ in stage.rounds("memory"):
        for kind in KINDS:
            with stage.place(kind) as place, Daemon(place) as daemon:
                time.sleep(stage.size(4, 1))
                process = psutil.Process(daemon.pid)
                processes = [process, *process.children(recursive=True)]
                own[kind].append(process.memory_info().rss / _MEGABYTE)
                # Shared pages count once in this sum, divided among those who share them.
                family[kind].append(sum(each.memory_full_info().pss for each in processes) / _MEGABYTE)
                sizes.add(len(processes))
    stocked = _with_tasks_for_later(stage)
    number = "/".join(map(str, sorted(sizes)))
    return [
        *(figure(f"{kind}: the daemon's process", own[kind], "MB", _BOUND) for kind in KINDS),
        *(figure(f"{kind}: its {number} processes together", family[kind], "MB") for kind in KINDS),
        *stocked,
    ]


def _with_tasks_for_later(stage: Stage) -> list[Figure]:
    """Measure a daemon while many tasks are due tomorrow, which should make no difference to it."""
    tasks = stage.size(1_000_000, 10_000)
    figures = []
    for kind in ENGINES:
        with stage.place(kind) as place:
            with place.manager() as manager:
                manager.submit_batch(urls(tasks), start_at=datetime.now(UTC) + timedelta(days=1))
            sizes = []
            for _ in stage.rounds(f"memory with {tasks:,} tasks for later"):
                with Daemon(place) as daemon:
                    time.sleep(stage.size(4, 1))
                    sizes.append(psutil.Process(daemon.pid).memory_info().rss / _MEGABYTE)
            figures.append(figure(f"{kind}: the same with {tasks:,} tasks due tomorrow", sizes, "MB", _BOUND))
    return figures
