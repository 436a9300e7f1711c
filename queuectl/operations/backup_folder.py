"""A folder of backups that are named by their time, of which the last few are kept."""

from __future__ import annotations

import contextlib
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from queuectl.clock import now_ms
from queuectl.errors import InvalidInputError
from queuectl.operations.opening import make_folder
from queuectl.operations.whole_file import remove_abandoned

_NAME = re.compile(r"queuectl-\d{8}T\d{6}Z(-\d+)?\.backup")


def file_in(folder: Path) -> Path:
    """Return the name of a new backup in a folder, which is made, for its owner alone, where there is none.

    Raises:
        InvalidInputError: there is something else of the folder's name.
        StorageError: it cannot be made.
    """
    if folder.exists() and not folder.is_dir():
        raise InvalidInputError(f"{folder} is no folder", hint="--keep wants one, for several backups")
    make_folder(folder)
    remove_abandoned(folder, "queuectl-*.backup")  # each has another name
    moment = datetime.fromtimestamp(now_ms() / 1000, UTC).strftime("%Y%m%dT%H%M%SZ")
    names = [f"queuectl-{moment}.backup", *(f"queuectl-{moment}-{number}.backup" for number in range(2, 100))]
    return next(folder / name for name in names if not (folder / name).exists())


class Older(NamedTuple):
    """What became of the backups that were too many: those that are gone, and for each other one a problem."""

    removed: list[Path]
    problems: list[str]


def remove_older(folder: Path, keep: int) -> Older:
    """Remove all but the last backups that were named by ``file_in``; one that cannot be removed holds up no other."""
    older = Older([], [])
    try:
        found = _from_last_to_first(folder)
    except OSError as error:
        older.problems.append(f"{folder}: {error.strerror or error}")
        return older
    for path in found[keep:]:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            older.problems.append(f"{path}: {error.strerror or error}")
        else:
            older.removed.append(path)
    return older


def _from_last_to_first(folder: Path) -> list[Path]:
    times: dict[Path, int] = {}
    for path in folder.iterdir():
        if _NAME.fullmatch(path.name) and path.is_file():
            with contextlib.suppress(
                FileNotFoundError
            ):  # another backup to the same folder removes old ones too
                times[path] = path.stat().st_mtime_ns
    return sorted(times, key=lambda path: (times[path], path.name), reverse=True)
