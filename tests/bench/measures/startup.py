"""How long a command takes as a whole process, from its start to its end, with a million tasks stored."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tests.bench.figures import Bound, Figure, figure
from tests.bench.stage import ENGINES, Stage

_TIMES = 11
_HELP, _STATUS = Bound(150), Bound(250)


def run(stage: Stage) -> list[Figure]:
    """Measure the commands in turn, eleven times a round, after one run that leaves the bytecode behind."""
    stored = stage.size(1_000_000, 10_000)
    homes = {kind: stage.stocked(kind, stored).home for kind in ENGINES}
    commands: dict[str, Sequence[str]] = {
        "python -c pass, for comparison": (sys.executable, "-c", "pass"),
        "queuectl --help": (*_program(), "--help"),
        **{
            f"{kind}: queuectl status, {stored:,} tasks": (*_program(), "--home", str(home), "status")
            for kind, home in homes.items()
        },
    }
    took: dict[str, list[float]] = {name: [] for name in commands}
    for command in commands.values():
        _milliseconds(command)
    for _ in stage.rounds("startup"):
        for _ in range(stage.size(_TIMES, 3)):
            for name, command in commands.items():
                took[name].append(_milliseconds(command))
    return [figure(name, took[name], "ms", _bound(name)) for name in commands]


def _bound(name: str) -> Bound | None:
    if "status" in name:
        return _STATUS
    return _HELP if "--help" in name else None


def _program() -> tuple[str, ...]:
    """Return the command as it is installed beside this Python."""
    installed = Path(sys.executable).with_name("queuectl")
    return (str(installed),) if installed.exists() else (sys.executable, "-m", "queuectl")


def _milliseconds(command: Sequence[str]) -> float:
    start = time.perf_counter()
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, env=dict(os.environ)
    )
    took = (time.perf_counter() - start) * 1000
    assert done.returncode == 0, f"{command} ended with {done.returncode}: {done.stderr.decode()[-1000:]}"
    return took
