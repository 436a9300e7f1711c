"""Write files below a folder so that a reader never sees half of one and no link leads outside."""

from __future__ import annotations

import errno
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from queuectl.errors import StorageError

_OPEN_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_READ_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_CREATE_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_NO_FOLDER = frozenset({errno.ELOOP, errno.ENOTDIR})
_TOO_MANY_OPEN = frozenset({errno.EMFILE, errno.ENFILE})


@contextmanager
def folder_below(root: Path, *names: str) -> Iterator[int]:
    """Open the folder ``names`` below ``root``, made where missing, and yield its descriptor.

    The root may be a link that its owner has set; nothing below it may.

    Raises:
        StorageError: one of the names is a link, or no folder, or cannot be opened.
    """
    root.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(root, _OPEN_FOLDER)
    try:
        shown = root
        for name in names:
            shown = shown / name
            below = _step_into(descriptor, name, shown)
            os.close(descriptor)
            descriptor = below
        yield descriptor
    finally:
        os.close(descriptor)


def _step_into(parent: int, name: str, shown: Path) -> int:
    try:
        os.mkdir(name, dir_fd=parent)
        os.fsync(parent)
    except FileExistsError:
        pass
    try:
        return os.open(name, _OPEN_FOLDER | os.O_NOFOLLOW, dir_fd=parent)
    except OSError as error:
        if error.errno in _NO_FOLDER:
            raise StorageError(
                f"refused to write below {shown}: it is a link or no folder",
                hint="remove it, or move it away",
            ) from error
        too_many = error.errno in _TOO_MANY_OPEN
        raise StorageError(
            f"{shown} cannot be opened: {error.strerror or error}",
            hint="raise the limit of open files; see: queuectl doctor"
            if too_many
            else "correct its permissions, or see to its disk",
        ) from error


def write_file(folder: int, name: str, content: str) -> None:
    """Write a file as a whole: whoever reads it sees the old content or the new one.

    Only ``settle`` makes sure that it also outlives a loss of power.

    Raises:
        StorageError: there is something in the way that is no regular file.
    """
    try:
        existing = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        pass
    else:
        if not stat.S_ISREG(existing.st_mode):
            raise StorageError(
                f"refused to replace {name}: it is a link or no regular file", hint="remove it"
            )
    temporary = f".{secrets.token_hex(8)}.part"
    descriptor = os.open(temporary, _CREATE_FILE, 0o644, dir_fd=folder)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content.encode("utf-8", "replace"))
        os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        os.unlink(temporary, dir_fd=folder)
        raise


def has_content(folder: int, name: str, content: str) -> bool:
    """Tell whether there is a regular file of this name with just this content."""
    expected = content.encode("utf-8", "replace")
    try:
        with os.fdopen(os.open(name, _READ_FILE, dir_fd=folder), "rb") as file:
            status = os.fstat(file.fileno())
            return (
                stat.S_ISREG(status.st_mode) and status.st_size == len(expected) and file.read() == expected
            )
    except OSError:
        return False


def settle(folder: int, *names: str) -> None:
    """Make files of a folder durable, and their names with them; one that is gone is passed over."""
    for name in names:
        try:
            descriptor = os.open(name, _READ_FILE, dir_fd=folder)
        except OSError:
            continue
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    os.fsync(folder)
