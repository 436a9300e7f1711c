"""The handlers that the benchmark's daemons run; what they note goes to a file in the daemon's folder."""

from __future__ import annotations

import asyncio
import functools
import os
import time
from pathlib import Path

from queuectl.handlers.contract import Context, HandlerTask

STAMPS = "stamps"
"""The file in the working directory that stamps are appended to."""

BRIEF_SECONDS = 0.005
NAP_SECONDS = 0.020
_GRIND_ROUNDS = 1_500_000


def noop(task: HandlerTask, context: Context) -> None:
    """Do nothing."""


def stamp(task: HandlerTask, context: Context) -> None:
    """Note when the handler began."""
    note(label(task))


def brief(task: HandlerTask, context: Context) -> None:
    """Take five milliseconds."""
    note(label(task))
    time.sleep(BRIEF_SECONDS)


def nap(task: HandlerTask, context: Context) -> None:
    """Take twenty milliseconds, and note the end too."""
    note(label(task))
    time.sleep(NAP_SECONDS)
    note(label(task) + ".end")


async def doze(task: HandlerTask, context: Context) -> None:
    """Take twenty milliseconds in the event loop, and note the end too."""
    note(label(task))
    await asyncio.sleep(NAP_SECONDS)
    note(label(task) + ".end")


def grind(task: HandlerTask, context: Context) -> int:
    """Compute for about a tenth of a second, and note the end too."""
    note(label(task))
    total = compute()
    note(label(task) + ".end")
    return total


def compute() -> int:
    """Keep a core busy for about a tenth of a second."""
    return sum(number * number % 7 for number in range(_GRIND_ROUNDS))


def label(task: HandlerTask) -> str:
    """Return the last part of the task's URL, by which the benchmark knows it again."""
    return task.url.rpartition("/")[2]


def note(name: str) -> None:
    """Append a name with both clocks; one short append is never torn apart by another."""
    os.write(_file(), f"{name} {time.monotonic_ns()} {time.time_ns()}\n".encode())


@functools.cache
def _file() -> int:
    return os.open(STAMPS, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)


def read_stamps(folder: Path) -> dict[str, tuple[int, int]]:
    """Return what was noted in a folder: by name the monotonic and the wall clock, in nanoseconds."""
    try:
        lines = (folder / STAMPS).read_text().splitlines()
    except FileNotFoundError:
        return {}
    return {name: (int(monotonic), int(wall)) for name, monotonic, wall in map(str.split, lines)}


def count_stamps(folder: Path) -> int:
    """Return how many stamps there are."""
    try:
        return (folder / STAMPS).read_bytes().count(b"\n")
    except FileNotFoundError:
        return 0
