"""What is left of a runner whose daemon is killed: nothing, whatever its handlers have started."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil

from tests.integration.runner.conftest import marked_processes
from tests.support.processes import is_gone, start_server
from tests.support.waiting import wait_until

# A stand-in for the daemon: it runs two handlers, one of which has started processes in sessions of their own.
DAEMON = """
import sys, threading
from pathlib import Path
from tests.integration.runner.conftest import Stage

home = Path(sys.argv[1])
stage = Stage(home)
stage.runner.start()
stage.run("succeed")
stage.start("witness", witness=str(home / "witness"), seconds=3600)
stage.start("fork_and_stay", pids=str(home / "pids"), children=4)
threading.Event().wait()
"""


def start_daemon(home: Path) -> subprocess.Popen[bytes]:
    """Start the stand-in and wait until both of its handlers run."""
    program = [sys.executable, "-c", f"import sys; sys.path[:] = {sys.path!r}\n{DAEMON}", str(home)]
    process = start_server(program, folder=home)
    wait_until(
        lambda: (home / "witness").exists() and all_strays(home),
        within=20,
        describing="both handlers to run",
    )
    return process


def all_strays(home: Path) -> list[int]:
    path = home / "pids"
    pids = [int(pid) for pid in path.read_text().split()] if path.exists() else []
    return pids if len(pids) == 4 else []


def test_no_process_outlives_a_killed_daemon(home: Path):
    process = start_daemon(home)
    assert len(marked_processes(home)) >= 7  # the fork server, two children and four strays

    process.kill()
    process.wait()

    wait_until(lambda: not marked_processes(home), within=20, describing="the end of all processes")


def test_what_a_fork_server_without_a_free_descriptor_cannot_see_it_ends_when_it_can(home: Path):
    process = start_daemon(home)
    (fork_server,) = psutil.Process(process.pid).children()
    children = fork_server.children()
    limits = fork_server.rlimit(psutil.RLIMIT_NOFILE)
    fork_server.rlimit(psutil.RLIMIT_NOFILE, (3, limits[1]))

    process.kill()
    process.wait()
    wait_until(lambda: all(map(is_gone, children)), describing="the end of the children")
    fork_server.rlimit(psutil.RLIMIT_NOFILE, limits)

    wait_until(lambda: not marked_processes(home), within=20, describing="the end of all processes")


def test_what_survived_a_daemon_that_was_killed_with_its_fork_server_ends_when_the_next_one_starts(
    home: Path, make_stage
):
    process = start_daemon(home)
    fork_server = psutil.Process(process.pid).children()[0]
    os.kill(process.pid, signal.SIGSTOP)  # so that it cannot react to the end of its fork server
    fork_server.kill()
    process.kill()
    process.wait()
    wait_until(lambda: len(marked_processes(home)) <= 4, within=20, describing="the end of the children")
    assert marked_processes(home), "the processes in sessions of their own should be left here"

    make_stage()

    assert not [pid for pid in all_strays(home) if is_running(pid)]


def is_running(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
