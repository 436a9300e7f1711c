"""Write a file so that whoever looks sees the old one or the new one, complete and durable."""

from __future__ import annotations

import contextlib
import errno
import glob
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from queuectl.clock import now_ms
from queuectl.errors import InvalidInputError, StorageError

_ABANDONED_SECONDS = 24 * 3600.0
"""Nobody writes to a draft any more that has not changed for so long."""


@contextlib.contextmanager
def in_place_of(file: Path) -> Iterator[Path]:
    """Give the path of an empty private file that takes the name of ``file`` when the body has succeeded.

    A process that is killed leaves a hidden draft that ends in ``.part``, and what a database engine keeps beside
    one. Whoever writes the same file a day later removes them.

    Raises:
        InvalidInputError: there is a folder or a device of this name, or no folder to put the file in.
        StorageError: it cannot be written.
    """
    folder = file.parent
    temporary: Path | None = None
    try:
        _refuse_unfit(file)
        remove_abandoned(folder, glob.escape(file.name))
        descriptor, name = tempfile.mkstemp(prefix=f".{file.name}.", suffix=".part", dir=folder)
        os.close(descriptor)
        temporary = Path(name)
        yield temporary
        settle(temporary)
        temporary.replace(file)
        settle(folder)
    except OSError as error:
        raise StorageError(
            f"{file} cannot be written: {error.strerror or error}",
            hint=f"check that {folder} can be written and has space",
        ) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def remove_abandoned(folder: Path, pattern: str) -> None:
    """Remove what killed processes have left in a folder of files whose names match ``pattern``, a day old or more."""
    for draft in folder.glob(f".{pattern}.????????.part*"):
        with contextlib.suppress(OSError):  # somebody else was faster, or it is not ours to remove
            if now_ms() / 1000 - draft.stat().st_mtime > _ABANDONED_SECONDS:
                draft.unlink()


def _refuse_unfit(file: Path) -> None:
    if "\0" in str(file):
        raise InvalidInputError("a file's name cannot hold a NUL", hint="name another one")
    if file.is_dir() or not file.parent.is_dir():
        what = f"{file} is a folder" if file.is_dir() else f"there is no folder {file.parent}"
        raise InvalidInputError(what, hint="name a file in a folder that exists")
    if file.exists() and not file.is_file():
        raise InvalidInputError(f"{file} is not an ordinary file", hint="name a file that may be replaced")


def settle(path: Path) -> None:
    """Have what a file holds, or which names a folder holds, on the disk when this returns.

    Raises:
        OSError: the disk does not take it.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL or not path.is_dir():  # a share may keep its names in a way of its own
            raise
    finally:
        os.close(descriptor)
