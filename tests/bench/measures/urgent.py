"""How soon an urgent task starts while all workers are busy and thousands of less urgent ones wait."""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from queuectl.domain.task import ArticleTask
from tests.bench.daemon import Daemon
from tests.bench.figures import Bound, Figure, figure, percentile
from tests.bench.handlers import count_stamps, read_stamps
from tests.bench.peer import Peer, PeerProcess
from tests.bench.stage import KINDS, Stage
from tests.support.waiting import wait_until

_PEER = "bare Dramatiq, a queue each"
_SOON, _FEW = Bound(30), Bound(16)
_PATIENCE = 120


@dataclass(frozen=True, slots=True)
class _Trial:
    """One urgent task: how long it took to start, and how many less urgent ones started meanwhile."""

    milliseconds: float
    overtaken_by: int


def run(stage: Stage) -> list[Figure]:
    """Measure each kind of installation and the peer, round after round."""
    trials: dict[str, list[list[_Trial]]] = {name: [] for name in (*KINDS, _PEER)}
    for _ in stage.rounds("urgent"):
        for kind in KINDS:
            trials[kind].append(_try_queuectl(stage, kind))
        trials[_PEER].append(_try_peer(stage))
    figures: list[Figure] = []
    for name, rounds in trials.items():
        times = [[trial.milliseconds for trial in each] for each in rounds]
        counts = [[trial.overtaken_by for trial in each] for each in rounds]
        soon, few = (_SOON, _FEW) if name != _PEER else (None, None)
        many = len(times[0])
        figures += [
            figure(f"{name}: p50 to start", [percentile(each, 0.5) for each in times], "ms"),
            figure(f"{name}: slowest of {many}", [max(each) for each in times], "ms", soon),
            figure(f"{name}: most that started before", [max(each) for each in counts], "tasks", few),
        ]
    return figures


def _try_queuectl(stage: Stage, kind: str) -> list[_Trial]:
    low = stage.size(2_000, 200)
    with stage.place(kind) as place, place.manager() as manager, Daemon(place) as daemon:

        def fill(trial: int) -> None:
            tasks = (ArticleTask(_url(trial, number), handler="brief") for number in range(low))
            manager.submit_batch(tasks, "low")

        def hurry(trial: int) -> None:
            manager.submit_task(f"https://example.com/{_urgent(trial)}", "urgent", handler="stamp")

        trials = _trials(stage, place.home, low, fill, hurry)
        daemon.wait_until_done(len(trials) * (low + 1), within=_PATIENCE)
        return trials


def _try_peer(stage: Stage) -> list[_Trial]:
    low = stage.size(2_000, 200)
    url, folder = stage.redis.fresh_url(), stage.folder()
    with contextlib.closing(Peer(url)) as peer, PeerProcess(url, folder):

        def fill(trial: int) -> None:
            for number in range(low):
                peer.low.send(_low(trial, number))

        return _trials(stage, folder, low, fill, lambda trial: peer.urgent.send(_urgent(trial)))


def _trials(
    stage: Stage, folder: Path, low: int, fill: Callable[[int], None], hurry: Callable[[int], object]
) -> list[_Trial]:
    done: list[_Trial] = []
    for trial in range(stage.size(10, 2)):
        before = trial * (low + 1)
        fill(trial)
        begun = before + round(low * random.uniform(0.2, 0.5))
        _await_stamps(folder, begun)
        submitted = time.monotonic_ns()
        hurry(trial)
        _await_stamps(folder, before + low + 1)
        done.append(_judged(read_stamps(folder), trial, submitted))
    return done


def _judged(stamps: dict[str, tuple[int, int]], trial: int, submitted: int) -> _Trial:
    started = stamps[_urgent(trial)][0]
    between = sum(
        1 for name, (moment, _) in stamps.items() if name.startswith("low-") and submitted < moment < started
    )
    return _Trial((started - submitted) / 1e6, between)


def _await_stamps(folder: Path, count: int) -> None:
    wait_until(lambda: count_stamps(folder) >= count, within=_PATIENCE, describing=f"{count} tasks to start")


def _url(trial: int, number: int) -> str:
    return f"https://example.com/{_low(trial, number)}"


def _low(trial: int, number: int) -> str:
    return f"low-{trial}-{number}"


def _urgent(trial: int) -> str:
    return f"urgent-{trial}"
