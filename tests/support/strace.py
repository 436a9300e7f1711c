"""strace for the crash points: one that is installed, else one that ``make test`` installs where it may.

As a program it makes sure that there is one, and says in one line what to install where it cannot. In a test it
follows a process with all its threads, counts their system calls, and kills the process at the one that is named.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from tests.support.guard import guard
from tests.support.waiting import wait_until

CALLS = (
    "openat",
    "write",
    "pwrite64",
    "fsync",
    "fdatasync",
    "ftruncate",
    "rename",
    "unlink",
    "link",
    "mkdir",
    "sendto",
    "sendmsg",
)
"""What leaves a trace outside of the process; a death between two others is the same as one of these."""

_LINE = re.compile(r"^(\d+) +([a-z0-9]+)\((.*)$")
_PATH = re.compile(r'"([^"]*)"')
_TARGET = re.compile(r"^\d+<([^>]*)>")


def find_strace() -> str:
    """Return the path of strace.

    Raises:
        RuntimeError: There is none; the message says what to do.
    """
    found = shutil.which("strace")
    if found is None:
        raise RuntimeError("the crash points need strace; install it, on Debian with: apt-get install strace")
    return found


@dataclass(frozen=True, slots=True, order=True)
class Point:
    """Before the ``number``-th call of a kind, in whichever thread comes to it first."""

    call: str
    number: int

    def __str__(self) -> str:
        return f"{self.call}:{self.number}"

    @classmethod
    def parse(cls, text: str) -> Point:
        """Return the point of a text such as ``pwrite64:7``."""
        call, _, number = text.partition(":")
        return cls(call, int(number))


class Call(NamedTuple):
    """One call: by which thread, its name, and the file that it is about if it is about one."""

    thread: int
    name: str
    file: str = ""


@dataclass
class Trace:
    """What was seen of a process and its threads, in order."""

    calls: list[Call] = field(default_factory=list)

    def points(self, home: Path) -> list[Point]:
        """Return every point, in order; files are opened at the points that matter only if they are in ``home``."""
        found: set[Point] = set()
        numbers: Counter[tuple[int, str]] = Counter()
        for call in self.calls:
            numbers[call.thread, call.name] += 1
            if call.name != "openat" or call.file.startswith(str(home)):
                found.add(Point(call.name, numbers[call.thread, call.name]))
        return sorted(found)


@contextlib.contextmanager
def followed(pid: int, folder: Path, kill_at: Point | None = None) -> Iterator[Trace]:
    """Follow a process and its threads from now on, to its end or the block's; the trace is there after the block."""
    log = folder / "trace.log"
    log.unlink(missing_ok=True)
    command = [find_strace(), "-f", "-y", "-qq", "-p", str(pid), "-o", str(log), "-e", "signal=none"]
    command += ["-e", f"trace={','.join(CALLS)}"]
    if kill_at is not None:
        command += ["-e", f"inject={kill_at.call}:signal=KILL:when={kill_at.number}"]
    trace = Trace()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd=folder)
    guard.watch(process.pid, signal.SIGINT)
    try:
        wait_until(lambda: process.poll() is not None or _is_followed(pid), within=20, describing="strace")
        assert process.returncode is None, process.stderr and process.stderr.read().decode()
        yield trace
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        process.wait(20)
        guard.release(process.pid)
        if process.stderr:
            process.stderr.close()
    trace.calls += _read(log)


def _is_followed(pid: int) -> bool:
    try:
        threads = list(Path(f"/proc/{pid}/task").iterdir())
        return all("TracerPid:\t0\n" not in (each / "status").read_text() for each in threads)
    except (FileNotFoundError, ProcessLookupError):
        return True  # a thread that has just ended, or all


def _read(log: Path) -> Iterator[Call]:
    for line in log.read_text(errors="replace").splitlines():
        found = _LINE.match(line)
        if found:
            file = _TARGET.search(found[3]) or _PATH.search(found[3])
            yield Call(int(found[1]), found[2], file[1] if file else "")


def install() -> None:
    """Install strace by Debian's own means, if there is none and this user may."""
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        return
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(["apt-get", "update", "-qq"], env=quiet, check=False)
    command = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "strace"]
    subprocess.run(command, env=quiet, check=False, stdout=subprocess.DEVNULL)


def main() -> None:
    """Make sure that there is strace."""
    try:
        find_strace()
    except RuntimeError:
        install()
    try:
        find_strace()
    except RuntimeError as error:
        sys.stderr.write(f"{error}\n")


if __name__ == "__main__":
    main()
