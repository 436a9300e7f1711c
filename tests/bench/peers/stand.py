"""A contender set up on its seat: the process that submits, the workers, and the witness's notes."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any

import psutil

from tests.bench.peers.environments import Environment
from tests.bench.peers.servers import Seat
from tests.bench.peers.serving import NORMAL
from tests.bench.peers.witness import Witness
from tests.bench.peers.work import WITNESS
from tests.support.guard import guard
from tests.support.processes import start_server

_HELLO_SECONDS = 30
_MEGABYTE = 1_000_000


class ContenderError(Exception):
    """A contender did not do what it was told; the message has the end of its log."""


class Stand:
    """One contender, ready to be told what to submit; its workers are started apart."""

    def __init__(self, environment: Environment, seat: Seat, step_seconds: float) -> None:
        self.witness = Witness(seat.folder / seat.environment[WITNESS])
        self.seat = seat
        self._command = environment.command
        self._seconds = step_seconds
        self._workers: list[subprocess.Popen[bytes]] = []
        self._worker_commands: Sequence[Sequence[str]] = ()
        self._pending = b""
        self.cannot: Mapping[str, str] = {}
        self.command: Sequence[str] | None = None

    def __enter__(self) -> Stand:
        self._log = (self.seat.folder / "submitter.log").open("ab")
        self._process = subprocess.Popen(
            self._command,
            cwd=self.seat.folder,
            env=self.seat.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            start_new_session=True,
            bufsize=0,
        )
        guard.watch(self._process.pid, signal.SIGKILL)
        try:
            said = self._ask({"do": "hello"}, _HELLO_SECONDS)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        self.cannot, self.command = said["cannot"], said["command"]
        self._worker_commands = said["workers"]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill_workers()
        self._process.kill()
        self._process.wait()
        guard.release(self._process.pid)
        for pipe in (self._process.stdin, self._process.stdout, self._log):
            if pipe is not None:
                pipe.close()

    def each(self, work: str, prefix: str, count: int, level: str = NORMAL) -> float:
        """Submit tasks one after the other; return the seconds that took."""
        return float(self._submit("each", work, prefix, count, level)["seconds"])

    def many(self, work: str, prefix: str, count: int, level: str = NORMAL) -> float:
        """Submit tasks in one call where there is one; return the seconds that took."""
        return float(self._submit("many", work, prefix, count, level)["seconds"])

    def apart(self, work: str, prefix: str, count: int, pause: float, level: str = NORMAL) -> dict[str, int]:
        """Submit tasks with pauses; return by name the nanoseconds just before each."""
        sent: dict[str, int] = self._submit("apart", work, prefix, count, level, pause=pause)["sent"]
        return sent

    def start_workers(self) -> None:
        """Start the tool's own worker processes."""
        self._workers = [
            start_server(command, folder=self.seat.folder, environment=self.seat.environment)
            for command in self._worker_commands
        ]

    def kill_workers(self) -> None:
        """Kill all of them with everything they started, by SIGKILL."""
        workers, self._workers = self._workers, []
        for process in workers:
            _kill_family(process)
        for process in workers:
            guard.release(process.pid)

    def worker_megabytes(self) -> float:
        """Return what the workers and their children keep in memory; what they share counts once."""
        total = 0
        for each in self._workers:
            main = psutil.Process(each.pid)
            total += sum(one.memory_full_info().pss for one in [main, *main.children(recursive=True)])
        return total / _MEGABYTE

    def wait(self, condition: Callable[[], bool], seconds: float | None = None) -> bool:
        """Wait until something is so; tell whether it became so in time.

        Raises:
            ContenderError: A worker has ended meanwhile.
        """
        deadline = time.monotonic() + (self._seconds if seconds is None else seconds)
        while not condition():
            if time.monotonic() > deadline:
                return False
            ended = [each.returncode for each in self._workers if each.poll() is not None]
            if ended:
                raise ContenderError(f"a worker ended with {ended[0]}: {self._end_of('server.log')}")
            # Seldom enough to leave the processors to those who are measured.
            time.sleep(0.02)
        return True

    def await_all(self, what: str, count: int, seen: Callable[[], int]) -> None:
        """Wait for so many tasks.

        Raises:
            ContenderError: They did not come within the time for a step.
        """
        if not self.wait(lambda: seen() >= count):
            raise ContenderError(
                f"{seen()} of {count} {what} after {self._seconds:g} s: {self._end_of('server.log')}"
            )

    def _submit(self, manner: str, work: str, prefix: str, count: int, level: str, **more: Any) -> Any:
        order = {"do": manner, "work": work, "prefix": prefix, "count": count, "level": level, **more}
        return self._ask(order, self._seconds)

    def _ask(self, order: Mapping[str, Any], seconds: float) -> Any:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(order).encode() + b"\n")
        except BrokenPipeError:
            raise ContenderError(f"it has ended: {self._end_of('submitter.log')}") from None
        answer = json.loads(self._line(order["do"], time.monotonic() + seconds))
        if not answer["ok"]:
            raise ContenderError(f"{order['do']}: {answer['error']}")
        return answer

    def _line(self, what: str, deadline: float) -> bytes:
        assert self._process.stdout is not None
        while b"\n" not in self._pending:
            left = deadline - time.monotonic()
            ready = select.select([self._process.stdout], [], [], max(0.0, left))[0]
            if not ready:
                raise ContenderError(f"no answer to {what} in time: {self._end_of('submitter.log')}")
            chunk = os.read(self._process.stdout.fileno(), 65536)
            if not chunk:
                raise ContenderError(f"it ended at {what}: {self._end_of('submitter.log')}")
            self._pending += chunk
        line, _, self._pending = self._pending.partition(b"\n")
        return line

    def _end_of(self, log: str) -> str:
        try:
            lines = (self.seat.folder / log).read_text(errors="replace").strip().splitlines()
        except FileNotFoundError:
            lines = []
        return " | ".join(lines[-3:])[-400:] or "its log is empty"


def _kill_family(process: subprocess.Popen[bytes]) -> None:
    """Kill a process, its children and theirs. Some tools' children would outlive their parent."""
    if process.poll() is None:
        main = psutil.Process(process.pid)
        main.suspend()  # so that it has no new child between the listing and the kill
        children = main.children(recursive=True)
        for each in (main, *children):
            with contextlib.suppress(psutil.NoSuchProcess):
                each.kill()
        psutil.wait_procs(children, timeout=10)
    process.wait()
