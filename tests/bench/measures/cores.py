"""What a second process brings for handlers that compute: the same tasks with one worker and with two."""

from __future__ import annotations

from queuectl.domain.task import ArticleTask
from tests.bench.daemon import Daemon
from tests.bench.figures import Bound, Figure, figure, ratio
from tests.bench.handlers import read_stamps
from tests.bench.stage import SQLITE, Place, Stage

_PROCESSES = (1, 2)
_BOUND = Bound(1.8, at_least=True)


def run(stage: Stage) -> list[Figure]:
    """Measure one process and two in turn, round after round."""
    tasks = stage.size(40, 8)
    speeds: dict[int, list[float]] = {processes: [] for processes in _PROCESSES}
    for _ in stage.rounds("cores"):
        for processes in _PROCESSES:
            with stage.place(SQLITE, f"workers = {processes}") as place:
                speeds[processes].append(tasks / _seconds(place, tasks, processes))
    one, two = _PROCESSES
    return [
        *(figure(f"{each} at a time, {tasks} tasks", speeds[each], "tasks/s") for each in _PROCESSES),
        ratio("two against one", speeds[two], speeds[one], _BOUND),
    ]


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
