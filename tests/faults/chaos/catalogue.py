"""The table of the faults: the row of the matrix, its name, where it fits, and what inflicts and heals it."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from tests.faults.chaos import clocks, disks, links, people, processes, redis_faults, sql_faults
from tests.support.daemon import KINDS, POSTGRES, POSTGRES_REDIS, SQLITE, SQLITE_REDIS

if TYPE_CHECKING:
    from tests.faults.chaos.stage import Stage

REDIS = (SQLITE_REDIS, POSTGRES_REDIS)
SERVER = (POSTGRES, POSTGRES_REDIS)
FILE = (SQLITE, SQLITE_REDIS)


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of disaster. ``strike`` inflicts it and takes it back; ``trait`` is what the stage must offer for it."""

    row: str
    name: str
    strike: Callable[[Stage, Random], None]
    kinds: tuple[str, ...] = KINDS
    trait: str = ""
    can: Callable[[], bool] = lambda: True
    nodes: int = 1

    def fits(self, kind: str, nodes: int) -> bool:
        """Tell whether it can be had on this engine, with so many nodes, on this machine."""
        return kind in self.kinds and nodes >= self.nodes and self.can()


def _is_root() -> bool:
    return os.geteuid() == 0 and Path("/proc/mounts").exists()


FAULTS = (
    Fault("X1", "kill the daemon", processes.kill_daemon),
    Fault("X1", "kill the daemon again and again", processes.kill_repeatedly),
    Fault("X4", "stop and start", processes.stop_and_start),
    Fault("X5", "two signals to stop", processes.stop_hard),
    Fault("X6", "halt", processes.halt),
    Fault("X7", "kill a child", processes.kill_children),
    Fault("X7", "kill the fork server", processes.kill_fork_server),
    Fault("X21", "a second daemon in the same home", processes.second_daemon),
    Fault("X43", "no more descriptors", processes.no_descriptors),
    Fault("X27", "handlers that hang", people.hanging_handlers),
    Fault("X28", "handlers that eat memory", people.hungry_handlers),
    Fault("X29", "handlers that crash", people.crashing_handlers),
    Fault("X30", "handlers that fork", people.forking_handlers),
    Fault("X31", "handlers that spoil their process", people.spoiling_handlers),
    Fault("X32", "results that nobody can store", people.unfit_results),
    Fault("X44", "cancel, retry and reprioritize", people.change_tasks),
    Fault("X44", "pause and resume", people.pause_queues),
    Fault("X45", "reload", people.reload),
    Fault("X45", "reload of a broken file", people.broken_reload),
    Fault("X41", "a backup that is killed", people.killed_backup),
    Fault("X41", "an import that is killed", people.killed_import),
    Fault("X8", "kill Redis", redis_faults.kill, REDIS),
    Fault("X9", "flush Redis", redis_faults.flush, REDIS),
    Fault("X10", "old messages come back", redis_faults.return_old_messages, REDIS),
    Fault("X11", "Redis is full", redis_faults.fill_up, REDIS),
    Fault("X11", "Redis evicts", redis_faults.evict, REDIS),
    Fault("X12", "Redis is blocked", redis_faults.block, REDIS),
    Fault("X12", "Redis cuts connections", redis_faults.cut, REDIS),
    Fault("X12", "Redis is read-only", redis_faults.read_only, REDIS),
    Fault("X13", "restart PostgreSQL", sql_faults.restart, SERVER),
    Fault("X13", "kill PostgreSQL", sql_faults.kill, SERVER),
    Fault("X14", "terminate backends", sql_faults.terminate, SERVER),
    Fault("X14", "no free connections", sql_faults.crowd, SERVER),
    Fault("X15", "rows are locked", sql_faults.lock_rows, SERVER),
    Fault("X17", "SQLite is locked", sql_faults.lock_file, FILE),
    Fault("X18", "no space on the disk", disks.fill_up, FILE, "small disk", _is_root),
    Fault("X18", "files may not grow", disks.limit_files, FILE),
    Fault("X23", "a link freezes", links.freeze, (*SERVER, SQLITE_REDIS), "links"),
    Fault("X12", "a link is slow", links.slow, (*SERVER, SQLITE_REDIS), "links"),
    Fault("X12", "a link drips", links.drip, (*SERVER, SQLITE_REDIS), "links"),
    Fault("X3", "answers are lost", links.lose_answers, (*SERVER, SQLITE_REDIS), "links"),
    Fault("X14", "a link is half closed", links.half_close, (*SERVER, SQLITE_REDIS), "links"),
    Fault("X14", "a link is reset", links.reset, (*SERVER, SQLITE_REDIS), "links"),
    Fault("X24", "clock steps", clocks.step, trait="clocks", can=clocks.can_step),
)
