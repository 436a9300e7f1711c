"""Give the unused space of a SQLite file back to the disk."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

from queuectl.errors import StorageError
from queuectl.store.connecting import BUSY_SECONDS


def vacuum(path: Path) -> tuple[int, int]:
    """Write the file anew without its unused pages, in one transaction; return its bytes before and after.

    No daemon may use it meanwhile.

    Raises:
        StorageError: the disk is full, or another program keeps the file locked.
    """
    try:
        with contextlib.closing(
            sqlite3.connect(path, isolation_level=None, timeout=BUSY_SECONDS)
        ) as database:
            before = _size(database)
            database.execute("VACUUM")
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            return before, _size(database)
    except sqlite3.Error as error:
        raise StorageError(
            f"{path} was left as it is: {error}",
            hint=f"free some space below {path.parent}, or end the program that uses the file: fuser {path}",
        ) from error


def _size(database: sqlite3.Connection) -> int:
    pages, size = (database.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size"))
    return int(pages * size)
