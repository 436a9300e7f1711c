"""Write a file that appears whole or not at all."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from queuectl.errors import QueuectlError, RefusedError


@contextmanager
def new_file(path: Path, *, overwrite: bool) -> Iterator[IO[bytes]]:
    """Give a stream whose content becomes the file ``path``, readable by its owner alone, when the body ends well.

    It is written beside its place under another name and is on the disk before it gets its own.

    Raises:
        RefusedError: there is such a file already and it is not to be overwritten.
        QueuectlError: it cannot be written.
    """
    try:
        target = path.resolve()
        _check_place(path, target, overwrite=overwrite)
        with tempfile.NamedTemporaryFile(
            dir=target.parent, prefix=f".{target.name[:100]}.", suffix=".part", delete=False
        ) as stream:
            try:
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
                _put_in_place(Path(stream.name), target, path, overwrite=overwrite)
            finally:
                with contextlib.suppress(FileNotFoundError):
                    Path(stream.name).unlink()
        _force_folder(target.parent)
    except FileNotFoundError as error:
        raise QueuectlError(f"there is no folder {path.parent}", hint="make it, or choose another") from error
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise QueuectlError(
            f"{path} cannot be written: {reason}",
            hint="free some space, correct its permissions, or choose another",
        ) from error


def _check_place(path: Path, target: Path, *, overwrite: bool) -> None:
    if target.is_dir():
        raise RefusedError(f"{path} is a folder", hint="name a file in it")
    if target.exists() and not target.is_file():
        raise RefusedError(f"{path} is not an ordinary file", hint="use - to write to a pipe")
    if target.exists() and not overwrite:
        _refuse_overwriting(path)


def _put_in_place(part: Path, target: Path, path: Path, *, overwrite: bool) -> None:
    if overwrite:
        part.replace(target)
        return
    try:
        target.hardlink_to(part)  # unlike a renaming, it fails where somebody has made the file meanwhile
    except FileExistsError:
        _refuse_overwriting(path)
    except OSError:  # a file system without links
        part.replace(target)


def _refuse_overwriting(path: Path) -> None:
    raise RefusedError(
        f"there is a file {path} already", hint="choose another name, or add --yes to replace it"
    )


def _force_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
