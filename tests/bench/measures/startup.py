"""How long a command takes as a whole process, from its start to its end, with a million tasks stored."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from queuectl.cli.completion import SHELL, WORDS
from tests.bench.figures import Bound, Figure, figure
from tests.bench.stage import ENGINES, Stage

_TIMES = 11
_HELP, _SCREEN, _COMPLETION = Bound(150), Bound(250), Bound(200)


@dataclass(frozen=True, slots=True)
class _Call:
    """A whole process: its words, what it finds in its environment beside ours, and the most it may take."""

    words: Sequence[str]
    bound: Bound | None = None
    variables: Mapping[str, str] = field(default_factory=dict)


def run(stage: Stage) -> list[Figure]:
    """Measure the commands in turn, eleven times a round, after one run that leaves the bytecode behind."""
    stored = stage.size(1_000_000, 10_000)
    homes = {kind: stage.stocked(kind, stored).home for kind in ENGINES}
    calls = {
        "python -c pass, for comparison": _Call((sys.executable, "-c", "pass")),
        "queuectl --help": _Call((*_program(), "--help"), _HELP),
        "completion of a queue's name": _Call(_program(), _COMPLETION, _completing("queue", "show", "lo")),
        **{
            f"{kind}: queuectl {words}, {stored:,} tasks": _Call(
                (*_program(), "--home", str(home), *words.split()), _SCREEN
            )
            for words in ("status", "list", f"show {stored // 2}")
            for kind, home in homes.items()
        },
    }
    took: dict[str, list[float]] = {name: [] for name in calls}
    for call in calls.values():
        _milliseconds(call)
    for _ in stage.rounds("startup"):
        for _ in range(stage.size(_TIMES, 3)):
            for name, call in calls.items():
                took[name].append(_milliseconds(call))
    return [figure(name, took[name], "ms", call.bound) for name, call in calls.items()]


def _completing(*words: str) -> dict[str, str]:
    """Return by which variables a shell asks what the last of these words could become."""
    return {SHELL: "bash", WORDS: "\n".join(["queuectl", *words])}


def _program() -> tuple[str, ...]:
    """Return the command as it is installed beside this Python."""
    installed = Path(sys.executable).with_name("queuectl")
    return (str(installed),) if installed.exists() else (sys.executable, "-m", "queuectl")


def _milliseconds(call: _Call) -> float:
    start = time.perf_counter()
    done = subprocess.run(
        call.words,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
        env=os.environ | call.variables,
    )
    took = (time.perf_counter() - start) * 1000
    assert done.returncode == 0, f"{call.words} ended with {done.returncode}: {done.stderr.decode()[-1000:]}"
    assert done.stdout or not call.bound, f"{call.words} wrote nothing"
    return took
