"""What the tasks do, whoever runs them, and the witness: a file of notes in which no tool has a part.

Every note is one line in one append, ``MARK NAME NANOSECONDS``, so neither a killed worker nor an emptied Redis
takes anything back. Standard library only: this is imported in every tool's environment.
"""

from __future__ import annotations

import asyncio
import functools
import os
import time
from pathlib import Path

WITNESS = "PEERS_WITNESS"
"""The environment variable that names the file."""

BEGUN, ENDED = "b", "e"
NAP_SECONDS = 0.020
BRIEF_SECONDS = 0.005

KINDS = ("noop", "stamp", "brief", "nap")
"""The kinds of work: nothing, a note of the start, five milliseconds, twenty milliseconds."""


def noop(name: str) -> None:
    """Do nothing but note that it was done."""
    note(ENDED, name)


def stamp(name: str) -> None:
    """Note when the task began."""
    note(BEGUN, name)


def brief(name: str) -> None:
    """Take five milliseconds."""
    note(BEGUN, name)
    time.sleep(BRIEF_SECONDS)


def nap(name: str) -> None:
    """Take twenty milliseconds, and note both ends."""
    note(BEGUN, name)
    time.sleep(NAP_SECONDS)
    note(ENDED, name)


async def brief_async(name: str) -> None:
    """Take five milliseconds in the event loop."""
    note(BEGUN, name)
    await asyncio.sleep(BRIEF_SECONDS)


async def nap_async(name: str) -> None:
    """Take twenty milliseconds in the event loop, and note both ends."""
    note(BEGUN, name)
    await asyncio.sleep(NAP_SECONDS)
    note(ENDED, name)


def note(mark: str, name: str) -> None:
    """Append a note; one short append is never torn apart by another."""
    os.write(_file(), f"{mark} {name} {time.monotonic_ns()}\n".encode())


@functools.cache
def _file() -> int:
    return os.open(Path(os.environ[WITNESS]), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
