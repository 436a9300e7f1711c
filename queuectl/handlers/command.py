"""Handlers that are programs: started without a shell, in a clean environment and a folder of their own.

What a program says with its exit status: 0 is success, 75 (EX_TEMPFAIL) a failure that may pass,
65 (EX_DATAERR) that the task can never succeed, and any other a failed attempt.
"""

from __future__ import annotations

import codecs
import contextlib
import json
import os
import re
import selectors
import shutil
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, NoReturn, Protocol

from queuectl.errors import PermanentError, RetryableError
from queuectl.handlers.contract import Context, Handler, HandlerTask
from queuectl.handlers.output import Output
from queuectl.settings import Settings

EXIT_TRY_AGAIN = os.EX_TEMPFAIL
EXIT_NEVER = os.EX_DATAERR

PLACEHOLDERS = ("url", "id", "home", "attempt")
"""What an argument may hold in braces."""

_PLACEHOLDER = re.compile(rf"\{{({'|'.join(PLACEHOLDERS)})\}}")
_LONGEST_METADATA = 100 * 1024  # Linux refuses to start a program with a variable of more than 128 KiB
_LONGEST_JSON = 1024 * 1024
_LOOK_EVERY = 0.2  # seconds between two looks whether the task is cancelled
_LOOK_EVERY_BLINDLY = 0.02  # the same where the system does not tell when a process ends
_LAST_READS = 8  # enough to empty a full pipe
_LONGEST_REASON = 2000
_LONGEST_LINE = 4096  # of a longer one this much is logged
_FIRST_LINES, _LAST_LINES = 150, 50  # of each pipe, so that neither uses up what a task may log


def make(template: Sequence[str], settings: Settings) -> Handler:
    """Return the handler that runs the program and arguments in ``template``."""
    home = settings.home

    def run(task: HandlerTask, context: Context) -> object:
        arguments = expand(template, task, home)
        environment = _environment(task, home)
        with _folder(work_folder(home, task.id, task.fence)) as folder:
            environment["TMPDIR"] = str(folder)
            return _run(arguments, environment, folder, context)

    return run


def expand(template: Sequence[str], task: HandlerTask, home: Path) -> list[str]:
    """Return the arguments with their placeholders replaced; each stays one argument whatever its value.

    Raises:
        PermanentError: The task's URL must not be given to a program.
    """
    if not task.url.startswith(("http://", "https://")) or "\0" in task.url:
        raise PermanentError(f"only http and https addresses are given to a command, not {task.url[:200]!r}")
    values = {"url": task.url, "id": task.id, "home": str(home), "attempt": str(task.attempt)}
    return [_PLACEHOLDER.sub(lambda match: values[match[1]], argument) for argument in template]


def work_folder(home: Path, task_id: str, fence: int) -> Path:
    """Return the folder in which a command works during one run; it is removed after the run."""
    return home / "run" / "work" / f"{task_id}.{fence}"


def _environment(task: HandlerTask, home: Path) -> dict[str, str]:
    metadata = json.dumps(task.metadata)
    if len(metadata) > _LONGEST_METADATA:
        raise PermanentError("the task's metadata is too long for a command's environment")
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": os.environ.get("HOME", str(home)),
        "LANG": os.environ.get("LANG", "C.UTF-8"),
        "QUEUECTL_TASK_ID": task.id,
        "QUEUECTL_URL": task.url,
        "QUEUECTL_ATTEMPT": str(task.attempt),
        "QUEUECTL_FENCE": str(task.fence),
        "QUEUECTL_METADATA": metadata,
    }
    # By this mark the daemon finds what a command left running.
    if mark := os.environ.get("_QUEUECTL_RUNNER"):
        environment["_QUEUECTL_RUNNER"] = mark
    return environment


@contextlib.contextmanager
def _folder(folder: Path) -> Iterator[Path]:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700, parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run(arguments: list[str], environment: dict[str, str], folder: Path, context: Context) -> object:
    try:
        process = subprocess.Popen(
            arguments,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
        )
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise RetryableError(f"the command {arguments[0]!r} cannot be started: {reason}") from error
    return _follow(process, context).conclude()


class _Collector(Protocol):
    """Takes what a program prints as it comes."""

    def add(self, chunk: bytes) -> None:
        """Take the next bytes."""
        ...


class _LogLines:
    """Passes what a program prints to the task's log: the first lines as they come, the last ones at its end."""

    def __init__(self, log: Callable[[str, str], None]) -> None:
        self._log = log
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._begun = ""
        self._room = _FIRST_LINES
        self._later = 0
        self._last = deque[str](maxlen=_LAST_LINES)

    def add(self, chunk: bytes) -> None:
        """Take the next bytes; the last line waits for its end."""
        *lines, begun = (self._begun + self._decoder.decode(chunk)).split("\n")
        self._begun = begun[: _LONGEST_LINE + 1]
        self._take(lines)

    def end(self) -> None:
        """Pass on what has been held back."""
        self._take([self._begun] if self._begun else [])
        if self._later > len(self._last):
            self._tell(f"[{self._later - len(self._last)} lines left out]")
        for line in self._last:
            self._tell(line)

    def _take(self, lines: list[str]) -> None:
        for line in lines[: self._room]:
            self._tell(line)
        later = lines[self._room :]
        self._room -= len(lines) - len(later)
        self._later += len(later)
        self._last.extend(later[-_LAST_LINES:])

    def _tell(self, line: str) -> None:
        self._log("%s", line[: _LONGEST_LINE + 1].rstrip("\r"))


class _Printed:
    """What a program printed, and the conclusion from it and the exit status."""

    def __init__(self, process: subprocess.Popen[bytes], context: Context) -> None:
        self.process = process
        self.output = Output()
        self.complaints = Output()
        self.last_line = Output(head=0, tail=_LONGEST_JSON)
        self.lines = [
            _LogLines(context.log.info) for _ in range(2)
        ]  # a pipe's lines are not torn by the other's

    def pipes(self) -> list[tuple[IO[bytes], tuple[_Collector, ...]]]:
        """Return the program's pipes, each with what collects its output."""
        readers = (
            (self.process.stdout, (self.output, self.last_line, self.lines[0])),
            (self.process.stderr, (self.complaints, self.lines[1])),
        )
        return [(pipe, outputs) for pipe, outputs in readers if pipe is not None]

    def conclude(self) -> object:
        """Return the task's result.

        Raises:
            RetryableError: The program failed.
            PermanentError: The program said that the task can never succeed.
        """
        for each in self.lines:
            each.end()
        status = self.process.returncode
        if status == 0:
            return self._result()
        if status < 0:
            raise RetryableError(f"the command was killed by {_signal_name(-status)}{self._reason()}")
        message = f"the command exited with status {status}{self._reason()}"
        raise (PermanentError if status == EXIT_NEVER else RetryableError)(message)

    def _result(self) -> object:
        line = self.last_line.ending().rstrip().rpartition("\n")[2]
        with contextlib.suppress(ValueError, RecursionError):
            return json.loads(line, parse_constant=_refuse_constant)
        return {"exit_code": 0, "output": self.output.text().replace("\0", "\N{REPLACEMENT CHARACTER}")}

    def _reason(self) -> str:
        said = (self.complaints.ending().strip() or self.output.ending().strip())[-_LONGEST_REASON:]
        return f": {said}" if said else ""


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _signal_name(number: int) -> str:
    try:
        return f"signal {number} ({signal.Signals(number).name})"
    except ValueError:
        return f"signal {number}"


def _follow(process: subprocess.Popen[bytes], context: Context) -> _Printed:
    """Read what the program prints until it ends.

    Its end is what counts, not that of its output: a process that it left behind may hold the pipes open.
    """
    printed = _Printed(process, context)
    told = False
    with selectors.DefaultSelector() as selector, _announced_end(process, selector) as look_every:
        for pipe, outputs in printed.pipes():
            selector.register(pipe, selectors.EVENT_READ, outputs)
        while process.poll() is None:
            _read_ready(selector, look_every)
            if not told and context.cancelled:
                process.terminate()
                told = True
        for _ in range(_LAST_READS):
            _read_ready(selector, 0)
    for pipe, _ in printed.pipes():
        pipe.close()
    return printed


@contextlib.contextmanager
def _announced_end(process: subprocess.Popen[bytes], selector: selectors.BaseSelector) -> Iterator[float]:
    """Have the selector wake when the program ends; yield the longest time to wait for it nevertheless."""
    if sys.platform != "linux":
        yield _LOOK_EVERY_BLINDLY
        return
    descriptor = os.pidfd_open(process.pid)
    try:
        selector.register(descriptor, selectors.EVENT_READ, None)
        yield _LOOK_EVERY
    finally:
        os.close(descriptor)


def _read_ready(selector: selectors.BaseSelector, longest: float) -> None:
    for key, _ in selector.select(longest):
        if key.data is not None:
            _read(key.fd, key.data, selector)


def _read(pipe: int, outputs: tuple[_Collector, ...], selector: selectors.BaseSelector) -> None:
    chunk = os.read(pipe, 65536)
    if not chunk:
        selector.unregister(pipe)
        return
    for output in outputs:
        output.add(chunk)
