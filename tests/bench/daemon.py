"""A real daemon in a process of its own, as long as a measure needs it."""

from __future__ import annotations

import signal
import subprocess
import sys

from queuectl.operations.local_daemon import local_daemon
from queuectl.operations.monitor import Monitor
from tests.bench.stage import Place
from tests.support.processes import end, start_server
from tests.support.waiting import wait_until


class Daemon:
    """``queuectld`` in the home of an installation, which is also its working directory."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._process: subprocess.Popen[bytes] | None = None
        self._monitor = Monitor(place.settings)

    def __enter__(self) -> Daemon:
        command = [sys.executable, "-m", "queuectl_daemon", "--home", str(self._place.home)]
        self._process = start_server(command, folder=self._place.home)
        wait_until(self._is_ready, within=60, describing="the daemon to be ready")
        return self

    def __exit__(self, *_: object) -> None:
        self._monitor.close()
        if self._process is not None:
            end(self._process, signal.SIGTERM, within=60)

    @property
    def pid(self) -> int:
        """The daemon's process id."""
        assert self._process is not None
        return self._process.pid

    def wait_until_done(self, tasks: int, *, within: float) -> None:
        """Wait until this many tasks have succeeded.

        Raises:
            AssertionError: They have not in time, or one has not succeeded.
        """
        wait_until(lambda: self._succeeded() >= tasks, within=within, describing=f"{tasks} tasks to succeed")

    def _succeeded(self) -> int:
        queues = self._monitor.get_realtime_status().queues
        lost = sum(queue.dead + queue.cancelled + queue.retrying for queue in queues)
        assert not lost, f"{lost} tasks did not succeed:\n{self._log_end()}"
        self._check()
        return sum(queue.succeeded for queue in queues)

    def _is_ready(self) -> bool:
        self._check()
        return local_daemon(self._place.home) is not None

    def _check(self) -> None:
        assert self._process is not None
        if self._process.poll() is not None:
            raise AssertionError(f"the daemon has ended:\n{self._log_end()}")

    def _log_end(self) -> str:
        return (self._place.home / "server.log").read_text(errors="replace")[-2000:]
