"""Read a source file so that nothing leads out of its folder: no link on the way, no pipe, no device, no giant."""

from __future__ import annotations

import os
import stat
from typing import NoReturn

from queuectl.errors import BadInputFileError, SourceUnavailableError
from queuectl.operations.sources.location import FileSource

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
# A pipe without a writer would block even being opened.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_PIECE = 1024 * 1024
_KINDS = (
    (stat.S_ISLNK, "is a symbolic link"),
    (stat.S_ISDIR, "is a folder"),
    (stat.S_ISFIFO, "is a pipe"),
    (stat.S_ISSOCK, "is a socket"),
    (stat.S_ISCHR, "is a device"),
    (stat.S_ISBLK, "is a device"),
)


def read_file(source: FileSource, most: int) -> bytes:
    """Return the content of a source file of at most ``most`` bytes.

    Raises:
        SourceUnavailableError: it is not there, or may not be read.
        BadInputFileError: it is no regular file, is reached through a link, or is too large.
    """
    try:
        descriptor = _opened(source)
    except FileNotFoundError as error:
        raise SourceUnavailableError(
            f"there is no file {source.path}", hint="put it there; it is looked for at every tick"
        ) from error
    except OSError as error:
        raise SourceUnavailableError(
            f"{source.path} cannot be read: {error.strerror}", hint="correct its permissions"
        ) from error
    try:
        return _read(source, descriptor, most)
    finally:
        os.close(descriptor)


def _opened(source: FileSource) -> int:
    """Open the file step by step, following no link below the folder that is allowed."""
    folder = os.open(source.folder, _FOLDER)
    try:
        for part in source.parts[:-1]:
            _refuse_link(source, part, folder)
            inner = os.open(part, _FOLDER | os.O_NOFOLLOW, dir_fd=folder)
            os.close(folder)
            folder = inner
        name = source.parts[-1]
        _refuse_unreadable(source, os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
        return os.open(name, _FILE, dir_fd=folder)
    finally:
        os.close(folder)


def _refuse_link(source: FileSource, part: str, folder: int) -> None:
    if stat.S_ISLNK(os.stat(part, dir_fd=folder, follow_symlinks=False).st_mode):
        _refuse(source, f"is reached through the symbolic link {part!r}")


def _read(source: FileSource, descriptor: int, most: int) -> bytes:
    found = os.fstat(descriptor)
    _refuse_unreadable(source, found.st_mode)  # it may be another one by now
    if found.st_size > most:
        _refuse_giant(source, found.st_size, most)
    content = bytearray()
    while piece := os.read(descriptor, _PIECE):
        content += piece
        if len(content) > most:
            _refuse_giant(source, len(content), most)
    return bytes(content)


def _refuse_unreadable(source: FileSource, mode: int) -> None:
    if not stat.S_ISREG(mode):
        _refuse(source, next((words for is_kind, words in _KINDS if is_kind(mode)), "is no file"))


def _refuse(source: FileSource, what: str) -> NoReturn:
    raise BadInputFileError(
        f"the source {source.path} {what}", hint="name a regular file, with no link on the way to it"
    )


def _refuse_giant(source: FileSource, size: int, most: int) -> NoReturn:
    raise BadInputFileError(
        f"the source {source.path} has {size:,} bytes; at most {most:,} are read",
        hint="split it, or raise source_max_bytes",
    )
