"""Handlers that do what no handler should, for tests of what a runner survives; see sample_handlers.py."""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import signal
import stat
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any, NoReturn

from queuectl.handlers.contract import Context, HandlerTask
from tests.support.witness import note, pause

_MEGABYTE = 1024 * 1024
_kept: list[bytes] = []  # what the leaking handler never gives back
_opened: list[int] = []


def exit_well(task: HandlerTask, context: Context) -> NoReturn:
    """End the process with status 0 and without a result."""
    os._exit(0)


def exit_badly(task: HandlerTask, context: Context) -> NoReturn:
    """End the process with status 1."""
    os._exit(1)


def kill_itself(task: HandlerTask, context: Context) -> None:
    """Send SIGKILL to the own process."""
    os.kill(os.getpid(), signal.SIGKILL)


def segfault(task: HandlerTask, context: Context) -> None:
    """Read from address 0."""
    ctypes.string_at(0)


def hog(task: HandlerTask, context: Context) -> None:
    """Fill memory in pieces of ``piece`` megabytes until something stops it, at ``most`` megabytes."""
    pieces = []
    size = int(task.metadata.get("piece", 4) * _MEGABYTE)
    for number in range(int(task.metadata.get("most", 4096) * _MEGABYTE) // size):
        pieces.append(bytes([number % 255 + 1]) * size)
        pause(task.metadata.get("pause", 0))
    note(task, "end")


def hog_at_once(task: HandlerTask, context: Context) -> int:
    """Ask for ten gigabytes in one piece."""
    return len(bytearray(10 * 1024 * _MEGABYTE))


def hog_in_child(task: HandlerTask, context: Context) -> None:
    """Fill memory in a process of another session."""
    program = "import time\npieces = []\nwhile True:\n    pieces.append(b'x' * 4194304)\n"
    subprocess.run([sys.executable, "-c", program], start_new_session=True, check=True)


def leak(task: HandlerTask, context: Context) -> None:
    """Keep ``megabytes`` more with every run."""
    _kept.append(os.urandom(1024) * (task.metadata.get("megabytes", 1) * 1024))


def spin(task: HandlerTask, context: Context) -> None:
    """Compute in C code that never lets Python's signal handlers run."""
    re.match(r"(a+)+$", "a" * 64 + "b")


def power(task: HandlerTask, context: Context) -> int:
    """Raise a number to a power that takes hours, in C code that holds the interpreter's lock."""
    return len(bin(3 ** (10**10)))


def sleep_in_c(task: HandlerTask, context: Context) -> None:
    """Sleep in C while holding the interpreter's lock."""
    ctypes.PyDLL(None).sleep(3600)


def block(task: HandlerTask, context: Context) -> None:
    """Read from a named pipe that nobody writes to."""
    with tempfile.TemporaryDirectory() as folder:
        pipe = Path(folder) / "pipe"
        os.mkfifo(pipe)
        pipe.read_bytes()


def fork_and_stay(task: HandlerTask, context: Context) -> None:
    """Start ``children`` processes, each in a session of its own and one removed from its parent; then hang."""
    _start_strays(task)
    pause(3600)


def fork_and_go(task: HandlerTask, context: Context) -> str:
    """Start the same processes and return."""
    _start_strays(task)
    return "left"


def fork_and_die(task: HandlerTask, context: Context) -> None:
    """Start the same processes and end without a result."""
    _start_strays(task)
    os.kill(os.getpid(), signal.SIGKILL)


def hop(task: HandlerTask, context: Context) -> None:
    """Start a process that changes its process id a thousand times a second, then hang."""
    if os.fork() == 0:
        while True:
            if os.fork() > 0:
                os._exit(0)
            os.setsid()
            pause(0.001)
    pause(3600)


def open_files(task: HandlerTask, context: Context) -> None:
    """Open a million files."""
    files = [open(os.devnull) for _ in range(1_000_000)]  # noqa: PTH123, SIM115
    files.clear()


def keep_all_files(task: HandlerTask, context: Context) -> str:
    """Open files until no descriptor is free, keep them, and return the own process."""
    with contextlib.suppress(OSError):
        while True:
            _opened.append(os.open(os.devnull, os.O_RDONLY))
    return str(os.getpid())


def fork_and_return_twice(task: HandlerTask, context: Context) -> int:
    """Come back from the handler in two processes."""
    return os.fork()


def print_endlessly(task: HandlerTask, context: Context) -> NoReturn:
    """Print for ever, past Python's own buffers."""
    while True:
        os.write(1, b"x" * 65536)


def print_much(task: HandlerTask, context: Context) -> str:
    """Print ``megabytes``, marked at both ends."""
    os.write(1, b"the beginning\n")
    for _ in range(task.metadata.get("megabytes", 10) * 16):
        os.write(1, b"x" * 65535 + b"\n")
    os.write(1, b"the end\n")
    return "printed"


def return_unfit(task: HandlerTask, context: Context) -> Any:
    """Return a value of the ``kind`` that cannot be stored."""
    return UNFIT[task.metadata["kind"]]()


def forge(task: HandlerTask, context: Context) -> None:
    """Write the bytes of ``hex`` to every socket there is, as if they were frames; then end."""
    for descriptor in range(3, 64):
        with contextlib.suppress(OSError):
            if stat.S_ISSOCK(os.fstat(descriptor).st_mode):
                os.write(descriptor, bytes.fromhex(task.metadata["hex"]))
    os._exit(0)


def disturb(task: HandlerTask, context: Context) -> str:
    """Leave the process in another state than it was; ``how`` says which."""
    DISTURBANCES[task.metadata["how"]]()
    return str(os.getpid())


def _circular() -> list[Any]:
    value: list[Any] = []
    value.append(value)
    return value


def _deep(levels: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(levels):
        value = [value]
    return value


UNFIT: dict[str, Any] = {
    "nan": lambda: {"value": float("nan")},
    "infinity": lambda: [float("-inf")],
    "huge": lambda: "x" * (_MEGABYTE + 1),
    "huge in UTF-8": lambda: "字" * (_MEGABYTE // 2),
    "circular": _circular,
    "deep": lambda: _deep(300),
    "too deep to encode": lambda: _deep(100_000),
    "surrogate": lambda: {"text": "\ud800"},
    "surrogate key": lambda: {"\udfff": 1},
    "nul": lambda: "a\0b",
    "bytes": lambda: b"bytes",
    "object": object,
    "set": lambda: {1, 2},
    "key": lambda: {(1, 2): 3},
    "huge number": lambda: 10**5000,
}


def _close_streams() -> None:
    for descriptor in (0, 1, 2):
        os.close(descriptor)


def _start_thread() -> None:
    threading.Thread(target=threading.Event().wait, daemon=True).start()


DISTURBANCES: dict[str, Any] = {
    "threads": _start_thread,
    "folder": lambda: os.chdir(tempfile.gettempdir()),
    "environment": lambda: os.environ.update(DISTURBED="yes"),
    "umask": lambda: os.umask(0o777),
    "signals": lambda: signal.signal(signal.SIGTERM, signal.SIG_IGN),
    "signal mask": lambda: signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1}),
    "streams": _close_streams,
    "files": lambda: _opened.extend(os.open(os.devnull, os.O_RDONLY) for _ in range(200)),
    "processes": lambda: subprocess.Popen(["sleep", "3600"], start_new_session=True),
}


def _start_strays(task: HandlerTask) -> None:
    """Start sleeping processes, write their ids to ``pids``, and keep the socket to the daemon open in them."""
    for number in range(task.metadata.get("children", 2)):
        pid = os.fork()
        if pid == 0:
            os.setsid()
            if number % 2 and os.fork() > 0:
                os._exit(0)  # the grandchild's parent is gone
            with Path(task.metadata["pids"]).open("a") as file:
                file.write(f"{os.getpid()}\n")
            signal.pause()
            os._exit(0)
    pids = Path(task.metadata["pids"])
    while not pids.exists() or pids.read_text().count("\n") < task.metadata.get("children", 2):
        pause(0.01)
