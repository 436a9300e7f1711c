"""What limits cost that never bind: the drain with all of them on every queue, beside one without any."""

from __future__ import annotations

from queuectl.domain.priority import QUEUES
from tests.bench.figures import Bound, Figure, figure, ratio
from tests.bench.measures.drain import drain
from tests.bench.stage import KINDS, Stage

_OF_QUEUES = {"max_size": 1_000_000, "rate_limit": "1000000/m", "concurrency": 1_000}
_OF_HOSTS = _OF_QUEUES | {"host_concurrency": 1_000}
_BOUND = Bound(0.7, at_least=True)


def run(stage: Stage) -> list[Figure]:
    """Measure all kinds in turn, round after round."""
    tasks = stage.size(20_000, 500)
    variants: dict[str, dict[str, object]] = {
        "no limits": {},
        "limits of queues": _OF_QUEUES,
        "limits of hosts too": _OF_HOSTS,
    }
    speeds: dict[tuple[str, str], list[float]] = {(kind, name): [] for kind in KINDS for name in variants}
    for _ in stage.rounds("limits"):
        for kind in KINDS:
            for name, limits in variants.items():
                speeds[kind, name].append(_drain(stage, kind, limits, tasks))
    figures = [
        figure(f"{kind}, {name}: {tasks:,} tasks", speeds[kind, name], "tasks/s") for kind, name in speeds
    ]
    for kind in KINDS:
        for name, bound in (("limits of queues", _BOUND), ("limits of hosts too", None)):
            against = f"{kind}: {name} against none"
            figures.append(ratio(against, speeds[kind, name], speeds[kind, "no limits"], bound))
    return figures


def _drain(stage: Stage, kind: str, limits: dict[str, object], tasks: int) -> float:
    with stage.place(kind) as place:
        with place.manager() as manager:
            for queue in QUEUES if limits else ():
                manager.update_queue_config(queue, limits)
        return drain(place, tasks)
