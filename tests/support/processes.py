"""Processes that tests start: how they are started, ended and waited for."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil

from tests.support.guard import guard
from tests.support.waiting import wait_until

NOBODY = 65534
_STEADY = 20  # looks, most of them 50 ms apart


def as_ordinary_user() -> dict[str, Any]:
    """Return the subprocess options that give up root's rights; none when there are none to give up."""
    return {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}


def start_server(
    command: Sequence[str | Path],
    *,
    folder: Path,
    ending: signal.Signals = signal.SIGTERM,
    ordinary_user: bool = False,
    environment: Mapping[str, str] | None = None,
) -> subprocess.Popen[bytes]:
    """Start a server in ``folder`` that logs to server.log there and cannot outlive this process.

    It gets a session of its own, so that an interrupt from the keyboard ends the tests and these the server.
    ``ending`` is what it is sent should this process die. Without an ``environment`` it has this process's.
    """
    with (folder / "server.log").open("ab") as log:
        process = subprocess.Popen(
            [str(word) for word in command],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env=environment,
            **(as_ordinary_user() if ordinary_user else {}),
        )
    guard.watch(process.pid, ending)
    return process


@contextlib.contextmanager
def guarded(command: Sequence[str | Path], **options: Any) -> Iterator[subprocess.Popen[Any]]:
    """Run a process beside the block, with the options of ``subprocess.Popen``.

    What has not ended with the block is killed, and nothing of it outlives the tests.
    """
    with subprocess.Popen([str(word) for word in command], **options) as process:
        guard.watch(process.pid, signal.SIGKILL)
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()
            guard.release(process.pid)


def end(process: subprocess.Popen[bytes], ending: signal.Signals, *, within: float = 30.0) -> None:
    """Send ``ending`` to a process from ``start_server`` and wait; kill it when it takes too long.

    Raises:
        AssertionError: The process had to be killed.
    """
    process.send_signal(ending)
    try:
        process.wait(within)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise AssertionError(f"process {process.pid} did not end {within:g} s after {ending.name}") from None
    finally:
        guard.release(process.pid)


def kill_with_children(process: subprocess.Popen[bytes], *, within: float = 10.0) -> None:
    """Kill a process with SIGKILL and wait until its children, who should notice that, are gone too."""
    main = psutil.Process(process.pid)
    main.suspend()  # so that it has no new child between the listing and the kill
    children = main.children(recursive=True)
    main.kill()
    guard.release(process.pid)
    process.wait()
    wait_until(
        lambda: all(is_gone(child) for child in children),
        within=within,
        describing=f"the end of the children of killed process {process.pid}",
    )


def settled_threads(process: psutil.Process) -> int:
    """Wait until a process that has begun or done something has as many threads for a while; return how many."""
    seen: list[int] = []

    def is_settled() -> bool:
        seen.append(process.num_threads())
        return len(seen) > _STEADY and len(set(seen[-_STEADY:])) == 1

    wait_until(is_settled, within=30, describing="the number of threads to settle")
    return seen[-1]


def is_gone(process: psutil.Process) -> bool:
    """Tell whether a process has ended, also when nobody has read its exit status yet."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
