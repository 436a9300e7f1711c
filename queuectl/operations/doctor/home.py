"""Look at the home: that it can be written, who else may look into it, the space on its disk, and what lies in it."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from shlex import quote

from queuectl.operations.administration import Check
from queuectl.operations.local_daemon import is_locked
from queuectl.settings import Settings, in_clear

LEAST_FREE_BYTES = 200 * 1024 * 1024
_EVERYBODY_WRITES, _OTHERS = 0o002, 0o077


def home(settings: Settings) -> Iterator[Check]:
    """Look whether the home can be written, and by whom."""
    folder = settings.home
    if not folder.exists():
        parent = _nearest(folder)
        ok = os.access(parent, os.W_OK)
        hint = None if ok else f"choose another home with --home, or let {parent} be written"
        yield Check("home", ok, f"{folder} does not exist yet", hint)
        return
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        hint = "choose another home with --home, or correct the folder's owner and permissions"
        yield Check("home", ok=False, detail=f"{folder} cannot be written: {error.strerror}", hint=hint)
        return
    if folder.stat().st_mode & _EVERYBODY_WRITES:
        yield Check(
            "home",
            ok=False,
            detail=f"every user may write to {folder}",
            hint=f"run: chmod 700 {quote(str(folder))}",
        )
    else:
        yield Check("home", ok=True, detail=f"{folder} can be written")


def privacy(settings: Settings) -> Iterator[Check]:
    """Look whether other users of the machine may read what is in the home."""
    if not settings.home.exists():
        return
    # What lies in a closed folder is closed as well, whatever its own permissions say.
    wanted = {settings.home: "700"}
    database = _file_of(settings)
    for file in (database, settings.home / ".env"):
        if file is not None and (file.parent != settings.home or _is_open(settings.home)):
            wanted[file] = "600"
    found = [(path, mode) for path, mode in wanted.items() if _is_open(path)]
    for path, mode in found:
        hint = f"run: chmod {mode} {quote(str(path))}"
        yield Check("privacy", ok=True, warning=True, detail=f"other users may look into {path}", hint=hint)
    if not found:
        yield Check("privacy", ok=True, detail="only its owner may look into the home")
    for sentence in in_clear(settings):
        what, _, hint = sentence.partition("; ")
        yield Check("privacy", ok=True, warning=True, detail=what, hint=hint)


def disk(settings: Settings) -> Iterator[Check]:
    """Look at the space that is left where the home and the database are."""
    database = _file_of(settings)
    folders = {_nearest(settings.home): settings.home}
    if database is not None and not database.is_relative_to(settings.home):
        folders[_nearest(database.parent)] = database.parent
    for folder, named in folders.items():
        free = shutil.disk_usage(folder).free
        enough = free >= LEAST_FREE_BYTES
        text = f"{free / 1024**3:.1f} GiB free" if free >= 1024**3 else f"{free / 1024**2:.0f} MiB free"
        if len(folders) > 1:
            text += f" at {named}"
        hint = f"free some space on the disk of {named}; old tasks go with: queuectl cleanup --days 30"
        yield Check("disk", enough, text, None if enough else hint)


def logs(settings: Settings) -> Iterator[Check]:
    """Look whether the log can be written."""
    folder = settings.home / "logs"
    for path in (folder, folder / "queuectld.log"):
        if path.exists() and not os.access(path, os.W_OK):
            yield Check(
                "logs", ok=False, detail=f"{path} cannot be written", hint="correct its owner and permissions"
            )
            return


def pid_file(settings: Settings) -> Iterator[Check]:
    """Look for the pid file of a daemon that is gone."""
    file = settings.home / "run" / "queuectld.pid"
    if file.exists() and not is_locked(settings.home):
        yield Check(
            "pid file",
            ok=True,
            warning=True,
            detail=f"{file} was left by a daemon that was killed",
            hint="run: queuectl daemon start; that gives back what was at work",
        )


def _file_of(settings: Settings) -> Path | None:
    if not settings.database_url.startswith("sqlite:"):
        return None
    return Path(settings.database_url.removeprefix("sqlite:///"))


def _is_open(path: Path) -> bool:
    return path.exists() and bool(path.stat().st_mode & _OTHERS)


def _nearest(folder: Path) -> Path:
    return next(each for each in (folder, *folder.parents) if each.exists())
