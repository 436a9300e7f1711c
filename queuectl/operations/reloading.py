"""Have the daemon of this home read its settings again, and learn what came of it.

Which settings a daemon can take up while it runs is said here; the others hold from its next start.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import threading
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from queuectl.clock import monotonic
from queuectl.errors import DaemonNotRunningError, QueuectlError
from queuectl.operations.auditing import actor
from queuectl.operations.local_daemon import local_daemon
from queuectl.operations.whole_file import in_place_of
from queuectl.settings import Settings

PATIENCE_SECONDS = 20.0
_PAUSE_SECONDS = 0.02

TAKEN_UP = frozenset(
    {
        "workers",
        "grace_period",
        "timezone",
        "log_level",
        "log_format",
        "fetch_allow_networks",
        "fetch_timeout",
        "fetch_max_bytes",
        "source_folders",
        "source_max_bytes",
        "import_max_bytes",
        "task_timeout",
        "max_retries",
        "retry_backoff",
        "retry_backoff_max",
        "dead_letter_days",
        "retention_days",
        "undo_days",
        "queues",
        "handlers",
    }
)
"""What a running daemon takes up; it holds for what begins from then on."""


@dataclass(frozen=True, slots=True)
class Reloaded:
    """What came of it: ``changed`` has [before, after] by name, ``restart`` what waits for the next start.

    With ``problems`` nothing was changed.
    """

    node: str
    changed: dict[str, list[Any]] = field(default_factory=dict)
    restart: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def differences(present: Settings, read: Settings) -> tuple[dict[str, list[Any]], list[str]]:
    """Return what can be taken up at once as [before, after], and the names of what needs a restart."""
    changed = [
        each.name for each in fields(Settings) if getattr(present, each.name) != getattr(read, each.name)
    ]
    taken = {name: [getattr(present, name), getattr(read, name)] for name in changed if name in TAKEN_UP}
    return taken, [name for name in changed if name not in TAKEN_UP]


def reload(settings: Settings) -> Reloaded:
    """Have this home's daemon read its settings again, and return what came of it.

    Raises:
        DaemonNotRunningError: none is running here.
        QueuectlError: it belongs to somebody else, or does not answer.
    """
    found = local_daemon(settings.home)
    if found is None:
        raise DaemonNotRunningError(
            "no daemon is running in this home", hint="start it with: queuectl daemon start"
        )
    who, host = actor()
    answer = _answer_file(settings.home)
    answer.unlink(missing_ok=True)
    _write(_wish_file(settings.home), {"who": who, "host": host})
    try:
        os.kill(found.pid, signal.SIGHUP)
    except PermissionError as error:
        raise QueuectlError(
            f"the daemon (pid {found.pid}) belongs to another user", hint="reload it as that user, or as root"
        ) from error
    deadline, pause = monotonic() + PATIENCE_SECONDS, threading.Event()
    while monotonic() < deadline:
        with contextlib.suppress(FileNotFoundError):
            return Reloaded(**json.loads(answer.read_text(encoding="utf-8")))
        pause.wait(_PAUSE_SECONDS)
    raise QueuectlError(
        f"the daemon (pid {found.pid}) has not said within {PATIENCE_SECONDS:g} s what came of it",
        hint="see its log: queuectl daemon status",
    )


def take_wish(home: Path) -> tuple[str, str] | None:
    """Return, once, who asked and where from; None if it was not by ``reload``."""
    file = _wish_file(home)
    try:
        said = json.loads(file.read_text(encoding="utf-8"))
        return str(said["who"]), str(said["host"])
    except (OSError, ValueError, TypeError, KeyError):
        return None
    finally:
        with contextlib.suppress(OSError):
            file.unlink(missing_ok=True)


def answer(home: Path, reloaded: Reloaded) -> None:
    """Tell whoever asked what came of it."""
    _write(_answer_file(home), asdict(reloaded))


def _write(file: Path, content: dict[str, Any]) -> None:
    with in_place_of(file) as draft:
        draft.write_text(json.dumps(content, default=str), encoding="utf-8")


def _wish_file(home: Path) -> Path:
    return home / "run" / "reload.json"


def _answer_file(home: Path) -> Path:
    return home / "run" / "reloaded.json"
