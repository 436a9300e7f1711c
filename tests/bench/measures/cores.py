"""What a second process brings for handlers that compute: the same tasks with one worker and with two.

Beside it bare processes do the same, since what a second core of a machine brings at all differs.
"""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor, wait
from time import perf_counter

from queuectl.domain.task import ArticleTask
from tests.bench.daemon import Daemon
from tests.bench.figures import Bound, Figure, figure, ratio
from tests.bench.handlers import compute, read_stamps
from tests.bench.stage import SQLITE, Place, Stage

_PROCESSES = (1, 2)
_BOUND = Bound(1.8, at_least=True)


def run(stage: Stage) -> list[Figure]:
    """Measure one process and two in turn, round after round."""
    tasks = stage.size(40, 8)
    speeds: dict[int, list[float]] = {processes: [] for processes in _PROCESSES}
    bare: dict[int, list[float]] = {processes: [] for processes in _PROCESSES}
    for _ in stage.rounds("cores"):
        for processes in _PROCESSES:
            bare[processes].append(tasks / _bare_seconds(tasks, processes))
            with stage.place(SQLITE, f"workers = {processes}") as place:
                speeds[processes].append(tasks / _seconds(place, tasks, processes))
    one, two = _PROCESSES
    return [
        *(figure(f"{each} at a time, {tasks} tasks", speeds[each], "tasks/s") for each in _PROCESSES),
        ratio("two against one", speeds[two], speeds[one], _BOUND),
        ratio("two bare processes against one", bare[two], bare[one]),
    ]


def _bare_seconds(tasks: int, processes: int) -> float:
    with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn")) as pool:
        wait([pool.submit(compute) for _ in range(processes * 2)])
        began = perf_counter()
        for each in [pool.submit(compute) for _ in range(tasks)]:
            each.result()
        return perf_counter() - began


def _seconds(place: Place, tasks: int, processes: int) -> float:
    """Return the time from the first start to the last end of the measured tasks; the processes are warm."""
    with place.manager() as manager, Daemon(place) as daemon:
        manager.submit_batch(_tasks("warm", processes * 2))
        daemon.wait_until_done(processes * 2, within=60)
        manager.submit_batch(_tasks("grind", tasks))
        daemon.wait_until_done(processes * 2 + tasks, within=180)
    moments = [moment for name, (moment, _) in read_stamps(place.home).items() if name.startswith("grind")]
    return (max(moments) - min(moments)) / 1e9


def _tasks(name: str, count: int) -> list[ArticleTask]:
    return [ArticleTask(f"https://example.com/{name}-{number}", handler="grind") for number in range(count)]
