"""Open the database that the settings name, ready to be used."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from queuectl.errors import StorageError
from queuectl.settings import Settings
from queuectl.store.database import Database
from queuectl.store.migrate import ensure_ready


def open_database(settings: Settings) -> Database:
    """Return the database; an empty one is set up on the spot.

    Raises:
        DatabaseUnreachableError: it does not answer.
        SchemaError: it is older or newer than this program.
        StorageError: its folder cannot be made.
    """
    database = Database(settings.database_url)
    if database.engine == "sqlite":
        make_private_file(Path(settings.database_url.removeprefix("sqlite:///")))
    ensure_ready(database)
    return database


def make_private_file(file: Path) -> None:
    """Make an empty file for its owner alone, with its folder, where there is none.

    To SQLite it is an empty database; what SQLite makes beside it gets the same permissions.

    Raises:
        StorageError: the folder cannot be made.
    """
    make_folder(file.parent)
    with contextlib.suppress(OSError):  # SQLite says better than we could what is wrong with it
        os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))


def make_folder(folder: Path) -> None:
    """Make a folder, and those above it that are missing, for its owner alone.

    Raises:
        StorageError: it cannot be made.
    """
    try:
        missing = [each for each in (folder, *folder.parents) if not each.exists()]
        for each in reversed(missing):
            each.mkdir(exist_ok=True, mode=0o700)
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise StorageError(
            f"the folder {folder} cannot be made: {error.strerror}",
            hint="choose another one with --home, or correct its permissions",
        ) from error
