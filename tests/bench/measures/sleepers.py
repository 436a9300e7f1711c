"""How well workers are kept busy with tasks that wait, as fetching does: 20 ms each, 16 at a time."""

from __future__ import annotations

from queuectl.domain.task import ArticleTask
from tests.bench.daemon import Daemon
from tests.bench.figures import Bound, Figure, figure
from tests.bench.handlers import NAP_SECONDS, read_stamps
from tests.bench.stage import KINDS, Place, Stage

_WORKERS = 16
_BOUND = Bound(1.1)


def run(stage: Stage) -> list[Figure]:
    """Measure each kind of installation, round after round."""
    tasks = stage.size(2_000, 160)
    shares: dict[str, list[float]] = {kind: [] for kind in KINDS}
    for _ in stage.rounds("sleepers"):
        for kind in KINDS:
            with stage.place(kind, f"workers = {_WORKERS}") as place:
                shares[kind].append(_seconds(place, tasks) / (tasks / _WORKERS * NAP_SECONDS))
    return [figure(f"{kind}: {tasks:,} tasks against the ideal", shares[kind], "x", _BOUND) for kind in KINDS]


def _seconds(place: Place, tasks: int) -> float:
    """Return the time from the first start to the last end."""
    with place.manager() as manager:
        manager.submit_batch(
            ArticleTask(f"https://example.com/nap-{number}", handler="nap") for number in range(tasks)
        )
    with Daemon(place) as daemon:
        daemon.wait_until_done(tasks, within=120)
    moments = [moment for moment, _ in read_stamps(place.home).values()]
    return (max(moments) - min(moments)) / 1e9
