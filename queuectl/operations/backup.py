"""Back the database up while it is in use."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from queuectl.domain.backup import Manifest
from queuectl.errors import (
    BadInputFileError,
    InvalidInputError,
    RefusedError,
    StorageError,
)
from queuectl.operations import postgres_programs
from queuectl.operations.opening import open_database
from queuectl.operations.whole_file import in_place_of
from queuectl.settings import Settings
from queuectl.store import postgres_copy, sqlite_copy
from queuectl.store.database import Database

Progress = Callable[[int, int], None]
"""Is told how much is done, and of how much; the units are only fit for a bar."""


@dataclass(frozen=True, slots=True)
class BackupReport:
    """A finished backup: where it is, what is in it, and its size in bytes."""

    file: Path
    manifest: Manifest
    size: int


def backup(
    settings: Settings, file: Path, *, overwrite: bool = False, on_progress: Progress | None = None
) -> BackupReport:
    """Write a verified copy of the database as it is at one moment; daemons and submitters go on meanwhile.

    The file appears under its name when it is complete, verified and durable, for its owner alone.

    Raises:
        InvalidInputError: no file can be made there.
        RefusedError: there is a file already, and ``overwrite`` is not set.
        StorageError: the disk refuses.
        UnreachableError: the database does not answer or does not fit.
    """
    refuse_the_database_itself(settings, file)
    if file.exists() and not overwrite:
        raise RefusedError(f"{file} exists already", hint="choose another name, or add --yes to replace it")
    database = open_database(settings)
    try:
        with in_place_of(file) as temporary:
            write(database, temporary, on_progress)
            try:
                manifest = inspect(temporary)
            except BadInputFileError as error:
                raise StorageError(
                    f"the copy is not sound, so {file} was not written: {error.message}",
                    hint="look at the database itself: queuectl db check",
                ) from error
            size = temporary.stat().st_size
    finally:
        database.close()
    return BackupReport(file, manifest, size)


def inspect(file: Path) -> Manifest:
    """Read all of a backup and say what it is.

    Raises:
        BadInputFileError: it is damaged, or no backup of queuectl.
    """
    if _engine_of(file) == "sqlite":
        return sqlite_copy.inspect(file)
    with postgres_programs.rows_of(file) as lines:
        return postgres_copy.inspect(str(file), lines)


def write(database: Database, target: Path, on_progress: Progress | None) -> None:
    """Write a copy of the database as it is at one moment, neither verified nor durable yet."""
    if database.engine == "postgresql":
        postgres_programs.dump(database, target, on_progress)
    else:
        sqlite_copy.copy_out(Path(database.url.removeprefix("sqlite:///")), target, on_progress)
        sqlite_copy.add_checksum(target)


def _engine_of(file: Path) -> str:
    try:
        with file.open("rb") as source:
            head = source.read(len(sqlite_copy.HEAD))
    except FileNotFoundError as error:
        raise BadInputFileError(f"there is no file {file}", hint="check the path") from error
    except OSError as error:
        raise BadInputFileError(
            f"{file} cannot be read: {error.strerror}", hint="check its permissions"
        ) from error
    if head == sqlite_copy.HEAD:
        return "sqlite"
    if head.startswith(postgres_copy.HEAD):
        return "postgresql"
    raise BadInputFileError(f"{file} is no backup of queuectl", hint="backups are made by: queuectl backup")


def refuse_the_database_itself(settings: Settings, file: Path) -> None:
    """Raise an InvalidInputError if a file is the database of this installation or a part of it."""
    path = sqlite_path(settings)
    if path is None:
        return
    forbidden = [path, *(path.with_name(path.name + suffix) for suffix in ("-wal", "-shm", "-journal"))]
    if any(_same(file, each) for each in forbidden):
        raise InvalidInputError(f"{file} is the database itself", hint="name another file")


def _same(one: Path, other: Path) -> bool:
    return one.resolve() == other.resolve() or (one.exists() and other.exists() and one.samefile(other))


def sqlite_path(settings: Settings) -> Path | None:
    """Return the database's file, or None on PostgreSQL."""
    if not settings.database_url.startswith("sqlite:"):
        return None
    return Path(settings.database_url.removeprefix("sqlite:///"))
