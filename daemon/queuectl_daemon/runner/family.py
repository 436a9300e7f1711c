"""Process families: who descends from whom, how large they are, and how they are ended as a whole.

Killing a process group is not enough, for a process may leave it. Killing the members one after another is not
enough either, for they may fork meanwhile. So a family is first stopped, member by member until no new one is
found, and only then killed.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
from collections.abc import Callable, Mapping

import psutil

from queuectl.clock import monotonic
from queuectl.shortage import is_shortage

_LOGGER = logging.getLogger(__name__)

MARK = "_QUEUECTL_RUNNER"
"""The environment variable that every process of a runner carries, so that none is overlooked.

The underscore keeps it from being taken for a setting.
"""

_HUNT_PATIENCE = 1.0  # seconds of hunting a family that grows while it is stopped
_CHASES = 100
_WAIT_PATIENCE = 2.0  # seconds for the end of what was killed

Kin = Mapping[int, list[int]]
"""The children of each process."""


def kin() -> Kin:
    """Return the children of every process, as of now."""
    children: dict[int, list[int]] = {}
    for pid, parent in _parents():
        children.setdefault(parent, []).append(pid)
    return children


def descendants(pid: int, families: Kin | None = None) -> list[int]:
    """Return the children of a process, their children, and so on; the nearest first."""
    families = kin() if families is None else families
    found: list[int] = []
    level = [pid]
    while level:
        level = [child for parent in level for child in families.get(parent, ())]
        found += level
    return found


def end_family(pid: int) -> None:
    """Kill a process, its group and all its descendants.

    Where no descriptor is free to look at processes with, what has left the group stays for the fork server to hunt.
    """
    try:
        _stop_family(pid)
        for member in descendants(pid):
            _signal(os.kill, member, signal.SIGKILL)
    except OSError as error:
        _LOGGER.warning("what process %d has started cannot be looked for: %s", pid, error)
    end_group(pid)
    _signal(os.kill, pid, signal.SIGKILL)


def end_group(pid: int) -> None:
    """Kill the process group that ``pid`` leads."""
    _signal(os.killpg, pid, signal.SIGKILL)


def end_marked(wanted: Callable[[str], bool]) -> bool:
    """Kill every process whose mark is ``wanted``, whoever its parent is by now, and wait for their end.

    Takes some milliseconds, for it looks at every process. Return False where some could not be looked at, such as
    when no descriptor is free; they have to be hunted again.
    """
    found: list[psutil.Process] = []
    try:
        looks = [_end_if_marked(process, wanted, found) for process in psutil.process_iter()]
        psutil.wait_procs(found, _WAIT_PATIENCE)
    except OSError as error:
        _LOGGER.warning("what a fork server has left cannot be looked for: %s", error)
        return False
    return all(looks)


def memory(pid: int) -> tuple[int, int]:
    """Return the bytes that a process has resident and those it has reserved for data; zeros when it has ended."""
    try:
        info = psutil.Process(pid).memory_info()
    except (psutil.Error, OSError):
        return 0, 0
    return info.rss, getattr(info, "data", info.vms)


def is_stopped(pid: int) -> bool:
    """Tell whether a process is halted by a signal such as SIGSTOP."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_STOPPED
    except (psutil.Error, OSError):
        return False


def _end_if_marked(
    process: psutil.Process, wanted: Callable[[str], bool], found: list[psutil.Process]
) -> bool:
    """Kill a process if its mark is ``wanted``; return False where nobody can tell for now."""
    try:
        mark = process.environ().get(MARK)
    except psutil.Error:
        return True  # another user's, or gone
    except OSError as error:
        return not is_shortage(error)
    if mark is not None and process.pid != os.getpid() and wanted(mark):
        end_family(process.pid)
        found.append(process)
    return True


def _stop_family(pid: int) -> None:
    _signal(os.killpg, pid, signal.SIGSTOP)
    _signal(os.kill, pid, signal.SIGSTOP)
    stopped: set[int] = set()
    give_up = monotonic() + _HUNT_PATIENCE
    while monotonic() < give_up:
        _chase(pid, stopped)
        running = [member for member in descendants(pid) if member not in stopped]
        if not running:
            return
        _stop(running, stopped)


def _chase(pid: int, stopped: set[int]) -> None:
    """Stop what a process has adopted, such as one that forks away as fast as all processes can be looked at."""
    for _ in range(_CHASES):
        adopted = [child for child in _children(pid) if child not in stopped]
        if not adopted:
            return
        _stop(adopted, stopped)


def _stop(members: list[int], stopped: set[int]) -> None:
    for member in members:
        _signal(os.kill, member, signal.SIGSTOP)
    stopped.update(members)


def _signal(send: Callable[[int, int], None], pid: int, number: signal.Signals) -> None:
    # Gone already, or another user's, such as what a handler starts through sudo.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        send(pid, number)


def _children(pid: int) -> list[int]:
    """Return the children that a process has adopted or its first thread has made; none where nobody can tell."""
    try:
        with open(f"/proc/{pid}/task/{pid}/children", "rb") as file:  # noqa: PTH123 - as fast as can be
            return [int(number) for number in file.read().split()]
    except OSError:
        return []


def _parents() -> list[tuple[int, int]]:
    if sys.platform != "linux":
        return [(process.pid, process.info["ppid"]) for process in psutil.process_iter(["ppid"])]
    # A third of what psutil takes, which counts where the memory of many runs is watched.
    found = []
    for name in os.listdir("/proc"):  # noqa: PTH208 - a hundred Path objects, ten times a second
        if name.isdigit():
            with contextlib.suppress(OSError), open(f"/proc/{name}/stat", "rb") as file:  # noqa: PTH123
                found.append((int(name), int(file.read().rpartition(b")")[2].split(None, 2)[1])))
    return found
