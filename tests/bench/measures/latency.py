"""How soon a task starts when nothing else is going on: from just before it is submitted to its first line."""

from __future__ import annotations

import contextlib
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.bench.daemon import Daemon
from tests.bench.figures import Bound, Figure, figure, percentile
from tests.bench.handlers import count_stamps, read_stamps
from tests.bench.peer import Peer, PeerProcess
from tests.bench.stage import KINDS, Place, Stage
from tests.support.waiting import wait_until

_PEER = "bare Dramatiq"
_WARMING = 20
_PAUSE_SECONDS = 0.020
_FROM_COMMAND = 15
_MEDIAN, _TAIL = Bound(5), Bound(20)


def run(stage: Stage) -> list[Figure]:
    """Measure each kind of installation and the peer, round after round."""
    tasks = stage.size(300, 20)
    waits: dict[str, list[list[float]]] = {name: [] for name in (*KINDS, _PEER)}
    commands: dict[str, list[float]] = {kind: [] for kind in KINDS}
    for _ in stage.rounds("latency"):
        for kind in KINDS:
            with stage.place(kind) as place, Daemon(place):
                waits[kind].append(_submit_each(place, tasks))
                commands[kind].append(percentile(_submit_by_command(stage, place), 0.5))
        waits[_PEER].append(_send_each(stage, tasks))
    figures: list[Figure] = []
    for name, rounds in waits.items():
        held = name != _PEER
        figures += [
            figure(
                f"{name}: p50", [percentile(each, 0.50) for each in rounds], "ms", _MEDIAN if held else None
            ),
            figure(
                f"{name}: p99", [percentile(each, 0.99) for each in rounds], "ms", _TAIL if held else None
            ),
        ]
    figures += [figure(f"{kind}: p50 of queuectl submit", commands[kind], "ms", _MEDIAN) for kind in KINDS]
    return figures


def _submit_each(place: Place, tasks: int) -> list[float]:
    with place.manager() as manager:

        def submit(name: str) -> None:
            manager.submit_task(f"https://example.com/{name}", handler="stamp")

        return _waits(submit, place.home, tasks)


def _send_each(stage: Stage, tasks: int) -> list[float]:
    url, folder = stage.redis.fresh_url(), stage.folder()
    with contextlib.closing(Peer(url)) as peer, PeerProcess(url, folder):
        return _waits(lambda name: peer.stamp.send(name), folder, tasks)


def _waits(submit: Callable[[str], object], folder: Path, tasks: int) -> list[float]:
    """Submit one task after another, and return in milliseconds how long each one took to start."""
    for number in range(_WARMING):
        submit(f"warming-{number}")
        _await_stamps(folder, number + 1)
    sent: dict[str, int] = {}
    for number in range(tasks):
        # Not always the same pause, or the submissions would keep in step with whatever looks periodically.
        time.sleep(_PAUSE_SECONDS * random.uniform(0.75, 1.25))
        name = f"task-{number}"
        sent[name] = time.monotonic_ns()
        submit(name)
    _await_stamps(folder, _WARMING + tasks)
    stamps = read_stamps(folder)
    return [(stamps[name][0] - start) / 1e6 for name, start in sent.items()]


def _await_stamps(folder: Path, count: int) -> None:
    wait_until(lambda: count_stamps(folder) >= count, within=30, describing=f"{count} tasks to start")


def _submit_by_command(stage: Stage, place: Place) -> list[float]:
    """Submit by the command line, and return in milliseconds how long after its creation each task started."""
    before = count_stamps(place.home)
    count = stage.size(_FROM_COMMAND, 3)
    created: dict[str, int] = {}
    with place.manager() as manager:
        for number in range(count):
            name = f"command-{number}"
            created[name] = manager.get_task(_command(place, name)).created_at
        _await_stamps(place.home, before + count)
    stamps = read_stamps(place.home)
    return [stamps[name][1] / 1e6 - moment for name, moment in created.items()]


def _command(place: Place, name: str) -> str:
    words = [
        "--home",
        str(place.home),
        "--json",
        "submit",
        f"https://example.com/{name}",
        "--handler",
        "stamp",
    ]
    done = subprocess.run(
        [sys.executable, "-m", "queuectl", *words],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        env=dict(os.environ),
    )
    return _first_id(json.loads(done.stdout))


def _first_id(said: object) -> str:
    """Return the first task id in the command's answer."""
    values = said.values() if isinstance(said, dict) else said if isinstance(said, list) else [said]
    for value in values:
        if isinstance(value, str) and value.startswith("task_"):
            return value
        if isinstance(value, dict | list) and (found := _first_id(value)):
            return found
    return ""
