"""Faults of the disk below a SQLite database: no space, and files that may not grow."""

from __future__ import annotations

import os
import resource
from random import Random
from typing import TYPE_CHECKING

from tests.support.chance import let_pass

if TYPE_CHECKING:
    from tests.faults.chaos.stage import Stage

_CHUNK = 64 * 1024
_FOR_THE_WITNESS = 400 * 1024
"""Bytes that the file may have to which handlers write what happens: the limit is one of every file."""


def fill_up(stage: Stage, chance: Random) -> None:
    """Use up the small disk that the home is on, and give the space back."""
    ballast = stage.nodes[0].site.home / "ballast"
    try:
        with open(ballast, "wb", buffering=0) as file:  # noqa: PTH123  unbuffered: the last byte counts
            try:
                while True:
                    file.write(b"x" * _CHUNK)
            except OSError:
                pass
        let_pass(chance.uniform(0.2, 1.0))
    finally:
        os.unlink(ballast)  # noqa: PTH108  nothing but the call


def limit_files(stage: Stage, chance: Random) -> None:
    """Let a daemon's files grow no further for a while."""
    node = stage.nodes[0]
    with node.lock:
        if not node.daemon.running:
            return
        node.wait_until_ready()
        pid = node.daemon.pid
        log = node.site.home / "queuectl.db-wal"
        size = (log.stat().st_size if log.exists() else 0) + chance.choice((0, 4, 64)) * 1024
        size = max(size, _FOR_THE_WITNESS)
        before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, before[1]))
        let_pass(chance.uniform(0.2, 1.0))
        resource.prlimit(pid, resource.RLIMIT_FSIZE, before)
