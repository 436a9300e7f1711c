"""Handlers for tests: well-behaved ones, failing ones, and every kind of misbehaviour a runner must survive.

Each is called as ``function(task, context)`` and reads its options from the task's metadata.
"""

from __future__ import annotations

import contextlib
import ctypes
import logging
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

from queuectl import errors
from queuectl.handlers.contract import Context, HandlerTask

_MEGABYTE = 1024 * 1024
_kept: list[bytes] = []  # what the leaking handler never gives back
_opened: list[int] = []


def succeed(task: HandlerTask, context: Context) -> None:
    """Do nothing."""


def echo(task: HandlerTask, context: Context) -> dict[str, Any]:
    """Return everything that the task says, and the process it runs in."""
    return {
        "id": task.id,
        "url": task.url,
        "metadata": task.metadata,
        "attempt": task.attempt,
        "fence": task.fence,
        "queue": task.queue,
        "priority_score": task.priority_score,
        "pid": os.getpid(),
    }


def give(task: HandlerTask, context: Context) -> Any:
    """Return ``result``."""
    return task.metadata.get("result")


def sleep(task: HandlerTask, context: Context) -> str:
    """Block for ``seconds`` without looking at anything, then return."""
    _pause(task.metadata.get("seconds", 0.1))
    return "slept"


def patient(task: HandlerTask, context: Context) -> str:
    """Wait up to ``seconds`` and end early when cancelled."""
    _note(task, "start")
    for _ in range(int(task.metadata.get("seconds", 60) / 0.01)):
        if context.cancelled:
            return "ended early"
        _pause(0.01)
    return "not cancelled"


def fail(task: HandlerTask, context: Context) -> NoReturn:
    """Raise an ordinary exception with ``message``."""
    raise ValueError(task.metadata.get("message", "it failed"))


def fail_until(task: HandlerTask, context: Context) -> str:
    """Fail every attempt before attempt number ``attempt``."""
    if task.attempt < task.metadata["attempt"]:
        raise ValueError(f"attempt {task.attempt} fails")
    return "done"


def refuse(task: HandlerTask, context: Context) -> NoReturn:
    """Say that the task can never succeed."""
    raise errors.PermanentError(task.metadata.get("message", "never"))


def retry_later(task: HandlerTask, context: Context) -> NoReturn:
    """Ask for another attempt after ``retry_after`` seconds."""
    raise errors.RetryableError("not now", retry_after=task.metadata.get("retry_after", 30))


def raise_base(task: HandlerTask, context: Context) -> NoReturn:
    """Raise the exception named ``kind``, which no ``except Exception`` catches."""
    kinds: dict[str, type[BaseException]] = {
        "SystemExit": SystemExit,
        "KeyboardInterrupt": KeyboardInterrupt,
        "GeneratorExit": GeneratorExit,
        "BaseException": BaseException,
    }
    raise kinds[task.metadata["kind"]](0)


class _UnspeakableError(Exception):
    def __str__(self) -> str:
        raise SystemExit("even its text raises")


def fail_unspeakably(task: HandlerTask, context: Context) -> NoReturn:
    """Raise an exception whose text cannot be made."""
    raise _UnspeakableError


def fail_with_nasty_text(task: HandlerTask, context: Context) -> NoReturn:
    """Raise an exception whose text no database and no terminal should get."""
    raise ValueError("nul \0 surrogate \ud800 escape \x1b[2J" + "x" * _MEGABYTE)


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
        _pause(task.metadata.get("pause", 0))
    _note(task, "end")


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
    _pause(3600)


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
            _pause(0.001)
    _pause(3600)


def open_files(task: HandlerTask, context: Context) -> None:
    """Open a million files."""
    files = [open(os.devnull) for _ in range(1_000_000)]  # noqa: PTH123, SIM115
    files.clear()


def fork_and_return_twice(task: HandlerTask, context: Context) -> int:
    """Come back from the handler in two processes."""
    return os.fork()


def talk(task: HandlerTask, context: Context) -> str:
    """Print ``lines`` numbered lines."""
    for number in range(task.metadata.get("lines", 3)):
        sys.stdout.write(f"line {number} {task.metadata.get('text', '')}\n")
    sys.stderr.write("to stderr\n")
    return "said"


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


def log(task: HandlerTask, context: Context) -> None:
    """Log ``lines`` times."""
    for number in range(task.metadata.get("lines", 1)):
        context.log.info("line %d %s", number, task.metadata.get("text", ""))


def use_a_library_that_logs(task: HandlerTask, context: Context) -> None:
    """Log under another name, twice."""
    library = logging.getLogger("some.library")
    library.info("all is well")
    library.warning("it went wrong")


def progress(task: HandlerTask, context: Context) -> None:
    """Report ``steps`` times in a row."""
    steps = task.metadata.get("steps", 4)
    for step in range(steps):
        context.progress((step + 1) / steps, f"step {step + 1}")


def witness(task: HandlerTask, context: Context) -> None:
    """Write down that this run began and, after ``seconds``, ended."""
    _note(task, "start")
    _pause(task.metadata.get("seconds", 0))
    _note(task, "end")


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


def _pause(seconds: float) -> None:
    if seconds:
        threading.Event().wait(seconds)


def _note(task: HandlerTask, event: str) -> None:
    """Append ``task attempt fence pid event`` to the file named in the metadata, in one write."""
    path = task.metadata.get("witness")
    if path is not None:
        line = f"{task.id} {task.attempt} {task.fence} {os.getpid()} {event}\n"
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(descriptor, line.encode())
        finally:
            os.close(descriptor)


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
        _pause(0.01)
