"""A folder of backups that are named by their time, of which the last few are kept."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

from queuectl.clock import now_ms
from queuectl.errors import InvalidInputError, StorageError
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


def remove_older(folder: Path, keep: int) -> list[Path]:
    """Remove all but the last backups that were named by ``file_in``, and return which.

    Raises:
        StorageError: one cannot be removed.
    """
    found = [path for path in folder.iterdir() if _NAME.fullmatch(path.name) and path.is_file()]
    older = sorted(found, key=lambda path: (path.stat().st_mtime_ns, path.name), reverse=True)[keep:]
    for path in older:
        try:
            path.unlink()
        except OSError as error:
            raise StorageError(f"{path} cannot be removed: {error.strerror}") from error
    return older
