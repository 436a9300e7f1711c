"""How well the event loop is kept busy with async functions that wait: 20 ms each, 100 at a time."""

from __future__ import annotations

from queuectl.domain.task import ArticleTask
from tests.bench.daemon import Daemon
from tests.bench.figures import Bound, Figure, figure
from tests.bench.handlers import NAP_SECONDS, read_stamps
from tests.bench.stage import KINDS, Place, Stage

_AT_A_TIME = 100
_BOUND = Bound(1.3)


def run(stage: Stage) -> list[Figure]:
    """Measure each kind of installation, round after round."""
    tasks = stage.size(2_000, 500)
    shares: dict[str, list[float]] = {kind: [] for kind in KINDS}
    for _ in stage.rounds("async"):
        for kind in KINDS:
            with stage.place(kind, f"workers = {_AT_A_TIME}") as place:
                shares[kind].append(_seconds(place, tasks) / (tasks / _AT_A_TIME * NAP_SECONDS))
    return [figure(f"{kind}: {tasks:,} tasks against the ideal", shares[kind], "x", _BOUND) for kind in KINDS]


def _seconds(place: Place, tasks: int) -> float:
    """Return the time from the first start to the last end."""
    with place.manager() as manager:
        manager.submit_batch(
            ArticleTask(f"https://example.com/doze-{number}", handler="doze") for number in range(tasks)
        )
    with Daemon(place) as daemon:
        daemon.wait_until_done(tasks, within=120)
    moments = [moment for moment, _ in read_stamps(place.home).values()]
    return (max(moments) - min(moments)) / 1e9
