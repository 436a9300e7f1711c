"""Start the daemon as a process of its own, wait until it is ready, and stop it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from queuectl.cli.render.safe import safe
from queuectl.clock import monotonic
from queuectl.errors import ExitCode, QueuectlError
from queuectl.operations.local_daemon import LocalDaemon, has_ended, is_locked, local_daemon, log_file
from queuectl.operations.opening import make_folder
from queuectl.settings import Loaded

READY_SECONDS = 60.0
STOP_MARGIN_SECONDS = 15.0
_SHOWN_LOG_LINES = 12
_PAUSE_SECONDS = 0.02
_LOOKED_AT = 64 * 1024


class DaemonFailedError(QueuectlError):
    """The daemon did not start."""

    def __init__(self, message: str, *, hint: str, code: int) -> None:
        super().__init__(message, hint=hint)
        self.exit_code = ExitCode(code) if code in set(ExitCode) and code else ExitCode.FAILED


def command_line(
    loaded: Loaded, workers: int | None, *, web: bool = True, role: str | None = None
) -> list[str]:
    """Return the command that runs the daemon with just these settings.

    ``-P`` keeps the working directory off the import path, as it is for the installed commands.
    """
    words = [sys.executable, "-P", "-m", "queuectl_daemon", "--home", str(loaded.settings.home)]
    if loaded.file is not None:
        words += ["--config", str(loaded.file)]
    if role is not None:
        words += ["--role", role]
    if workers is not None:
        words += ["--workers", str(workers)]
    return words if web else [*words, "--no-web"]


def end_of(log: Path) -> int:
    """Return where the next line of a log will be written, in bytes."""
    try:
        return log.stat().st_size
    except OSError:  # there is none yet; if its folder is closed, the start says so
        return 0


def told_of_web(log: Path, begin: int) -> list[str]:
    """Return what the daemon's log says of its web page from a place on, the first password among it.

    Only plain logs are for people.
    """
    words = (line.split(None, 2) for line in _lines_from(log, begin))
    return [each[2] for each in words if len(each) == 3 and each[2].startswith("the web page ")]


def start(
    loaded: Loaded,
    workers: int | None,
    *,
    web: bool = True,
    role: str | None = None,
    environ: Mapping[str, str] | None = None,
) -> LocalDaemon:
    """Start a detached daemon and return when it is ready.

    Raises:
        DaemonFailedError: it ended, or was not ready in time; the end of its log is in the hint.
        StorageError: its folders cannot be made.
    """
    home = loaded.settings.home
    log = log_file(home)
    make_folder(home)
    make_folder(log.parent)
    begin = end_of(log)
    with open(log, "ab", opener=_private) as output:
        process = subprocess.Popen(
            [*command_line(loaded, workers, web=web, role=role), "--log-file", str(log)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env=environ,
        )
    found = _wait(lambda: process.poll() is not None or _ready(home, process.pid), READY_SECONDS)
    ready = _ready(home, process.pid)
    if ready is not None:
        return ready
    if not found:
        process.kill()
        process.wait()
    code = process.returncode
    said = _last_words(log, begin)
    what = f"ended with status {code}" if found else f"was not ready after {READY_SECONDS:g} s"
    raise DaemonFailedError(f"the daemon {what}{said}", hint=f"its log is {log}", code=code)


def _ready(home: Path, pid: int) -> LocalDaemon | None:
    found = local_daemon(home)
    return found if found is not None and found.pid == pid else None


def stop(home: Path, found: LocalDaemon, grace_seconds: float) -> None:
    """Ask a daemon to end in order and wait until it has.

    Raises:
        QueuectlError: it takes longer than it may.
    """
    try:
        os.kill(found.pid, signal.SIGTERM)
    except ProcessLookupError:
        return
    except PermissionError as error:
        raise QueuectlError(
            f"the daemon (pid {found.pid}) belongs to another user", hint="stop it as that user, or as root"
        ) from error
    limit = grace_seconds + STOP_MARGIN_SECONDS
    if not _wait(lambda: not is_locked(home) and has_ended(found), limit):
        raise QueuectlError(
            f"the daemon (pid {found.pid}) has not ended after {limit:g} s",
            hint=f"see {log_file(home)}; kill -9 {found.pid} ends it, and the next start recovers its tasks",
        )


def _wait(condition: Callable[[], object], seconds: float) -> bool:
    deadline, pause = monotonic() + seconds, threading.Event()
    while not condition():
        if monotonic() > deadline:
            return False
        pause.wait(_PAUSE_SECONDS)
    return True


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _last_words(log: Path, begin: int) -> str:
    said = [line for line in _lines_from(log, begin) if line.strip()][-_SHOWN_LOG_LINES:]
    return ": " + " | ".join(safe(line) for line in said) if said else ""


def _lines_from(log: Path, begin: int) -> list[str]:
    """Return the lines that were written since the log ended at ``begin``, as far as they are at its end."""
    try:
        with log.open("rb") as source:
            size = os.fstat(source.fileno()).st_size
            since = begin if begin <= size else 0  # it was turned over meanwhile
            source.seek(max(since, size - _LOOKED_AT))
            return source.read().decode(errors="replace").splitlines()
    except OSError:
        return []
