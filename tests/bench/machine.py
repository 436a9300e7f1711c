"""Facts about the machine and the versions, without which no figure means anything."""

from __future__ import annotations

import contextlib
import os
import platform
import sqlite3
import subprocess
import time
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

import psutil

from tests.bench.stage import ROOT
from tests.support.postgres import find_postgres
from tests.support.redis import find_redis

_LIBRARIES = (
    "dramatiq",
    "redis",
    "peewee",
    "psycopg2-binary",
    "typer",
    "rich",
    "httpcore2",
    "lxml",
    "trafilatura",
)


def facts(folder: Path) -> dict[str, Any]:
    """Return the facts; how long a write takes to reach the disk is measured in ``folder``."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 2**30, 1),
        "system": f"{platform.system()} {platform.release()}",
        "load_before": [round(each, 2) for each in os.getloadavg()],
        "fsync_ms": round(_fsync_ms(folder), 3),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "postgres": find_postgres().version + ", fsync on, synchronous_commit on",
        "redis": find_redis().version,
        "sqlite": f"SQLite {sqlite3.sqlite_version}, WAL, synchronous full",
        "libraries": {name: version(name) for name in _LIBRARIES},
        "commit": _commit(),
    }


def _processor() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _fsync_ms(folder: Path) -> float:
    took: list[float] = []
    with (folder / "fsync").open("wb", buffering=0) as file:
        for _ in range(50):
            file.write(bytes(4096))
            start = time.perf_counter()
            os.fsync(file.fileno())
            took.append((time.perf_counter() - start) * 1000)
    return median(took)


def _commit() -> str:
    def git(*words: str) -> str:
        command = ["git", "-c", "safe.directory=*", *words]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()

    try:
        changed = git("status", "--porcelain", "--untracked-files=no", "--", "queuectl", "daemon")
        return git("rev-parse", "--short", "HEAD") + (" with changes" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
