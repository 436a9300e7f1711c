"""The processes below a daemon: its fork server and the children that run handlers."""

from __future__ import annotations

import psutil

from tests.support.processes import is_gone
from tests.support.waiting import wait_until


def descendants(pid: int) -> list[psutil.Process]:
    """Return the living processes below a process, the nearest first."""
    try:
        return [each for each in psutil.Process(pid).children(recursive=True) if not is_gone(each)]
    except psutil.NoSuchProcess:
        return []


def fork_server(pid: int) -> psutil.Process:
    """Return a daemon's fork server, waiting for a moment while it is being replaced."""
    return wait_until(lambda: _children(pid), within=15, describing="the daemon to have a fork server")[0]


def handler_processes(pid: int) -> list[psutil.Process]:
    """Return the children that run a daemon's handlers."""
    return [child for server in _children(pid) for child in _children(server.pid)]


def _children(pid: int) -> list[psutil.Process]:
    try:
        return [each for each in psutil.Process(pid).children() if not is_gone(each)]
    except psutil.NoSuchProcess:
        return []
