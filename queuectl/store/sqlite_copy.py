"""Copy SQLite databases by SQLite's own backup interface: out of one in use, into one in use, and beside it.

A copy out reads one snapshot, so writers neither wait for it nor make it start again. A copy in is
one transaction of the target: whoever has that open sees the old content or the new one.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import sqlite3
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

from queuectl.clock import monotonic
from queuectl.domain.backup import Manifest
from queuectl.errors import BadInputFileError, ConflictError, StorageError
from queuectl.store.connecting import BUSY_SECONDS

HEAD = b"SQLite format 3\0"
"""How every SQLite file begins."""

Progress = Callable[[int, int], None]
"""Is told how much is done, and of how much."""

# In SQLite's header two numbers are left to programs. SQLite itself would not notice a bit that has
# changed within a value, so a backup carries a checksum of all its other bytes in one of them.
_MARK = b"queu"
_MARK_AT, _SUM_AT, _HEADER = 68, 60, 100
_CHUNK = 1024 * 1024
_PAGES = 1_000
_STEP_SECONDS = 0.001
_NEEDED = frozenset({"migrations", "tasks", "counters", "queues"})

_LOCKED = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
_DAMAGE = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_NOT_UNDERSTOOD = sqlite3.SQLITE_ERROR
"""What was read makes no sense: a format that SQLite does not know, or tables without the columns of ours."""


def copy_out(source: Path, target: Path, on_progress: Progress | None = None) -> None:
    """Copy the content of a database that may be in use to ``target``, which is a single file afterwards.

    Raises:
        BadInputFileError: the source is damaged, or no database.
        ConflictError: another program keeps the source locked.
        StorageError: the source cannot be read now, or the target cannot be written.
    """
    with _reading(source) as origin, _connected(target) as copy:
        # The caller forces the file to the disk as a whole, and throws away what is not finished.
        copy.execute("PRAGMA synchronous = off")
        copy.execute("PRAGMA journal_mode = off")
        with _told_of(source, target):
            _copy(origin, copy, on_progress)
            _remove_checksum(copy)
            copy.execute("PRAGMA journal_mode = delete")


def add_checksum(file: Path) -> None:
    """Write the checksum of a finished copy into its header."""
    with file.open("r+b") as target:
        total = _checksum(file)
        for place, value in ((_SUM_AT, total), (_MARK_AT, _MARK)):
            target.seek(place)
            target.write(value)


def copy_in(source: Path, target: Path, on_progress: Progress | None = None) -> None:
    """Replace the content of a sound database, which others may have open, by that of ``source``.

    Numbers that were given to tasks before are not given again.

    Raises:
        BadInputFileError: the source is damaged, or no database.
        ConflictError: another program keeps the source or the target locked.
        StorageError: the source cannot be read now, or the target cannot be written.
    """
    with _reading(source) as origin, _connected(target) as present, _told_of(source, target):
        present.execute("PRAGMA journal_mode = wal")
        present.execute("PRAGMA synchronous = full")
        given = present.execute("SELECT name, seq FROM sqlite_sequence").fetchall()
        _copy(origin, present, on_progress)
        _remove_checksum(present)
        for name, seq in given:
            update = "UPDATE sqlite_sequence SET seq = MAX(seq, ?) WHERE name = ?"
            if not present.execute(
                update, (seq, name)
            ).rowcount:  # the copy is of a table that never had a row
                present.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", (name, seq))


def inspect(file: Path) -> Manifest:
    """Read all of a copy and say what it is.

    Raises:
        BadInputFileError: it is damaged, or no database of queuectl.
        ConflictError: another program keeps it locked.
        StorageError: it cannot be read now.
    """
    _compare_checksum(file)
    with _reading(file) as database, _told_of(file):
        found = str(database.execute("PRAGMA integrity_check(1)").fetchone()[0])
        if found != "ok":
            raise _damaged(file, found)
        tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if not tables >= _NEEDED:
            raise BadInputFileError(f"{file} is a database, but not one of queuectl")
        schema = database.execute("SELECT COALESCE(MAX(number), 0) FROM migrations").fetchone()[0]
        tasks = database.execute("SELECT COUNT(*) FROM tasks").fetchone()[0]
        wrong = database.execute(
            "SELECT queue, state, SUM(kept), SUM(stored) FROM (SELECT queue, state, tasks AS kept, 0 AS stored"
            " FROM counters UNION ALL SELECT queue, state, 0, 1 FROM tasks)"
            " GROUP BY queue, state HAVING SUM(kept) <> SUM(stored) ORDER BY queue, state"
        ).fetchall()
    sentences = (f"{queue} {state}: {kept} kept, {stored} stored" for queue, state, kept, stored in wrong)
    return Manifest("sqlite", schema, tasks, tuple(sentences))


def _compare_checksum(file: Path) -> None:
    """Compare the file with its checksum, if it has one: a copy that somebody made by other means has none."""
    with file.open("rb") as source:
        header = source.read(_HEADER)
    if header[_MARK_AT : _MARK_AT + 4] == _MARK and header[_SUM_AT : _SUM_AT + 4] != _checksum(file):
        raise _damaged(file, "its checksum does not agree")


def _checksum(file: Path) -> bytes:
    with file.open("rb") as source:
        header = bytearray(source.read(_HEADER))
        header[_SUM_AT : _SUM_AT + 4] = header[_MARK_AT : _MARK_AT + 4] = bytes(4)
        total = zlib.crc32(header)
        while chunk := source.read(_CHUNK):
            total = zlib.crc32(chunk, total)
    return total.to_bytes(4, "big")


def _remove_checksum(database: sqlite3.Connection) -> None:
    database.execute("PRAGMA user_version = 0")
    database.execute("PRAGMA application_id = 0")


@contextlib.contextmanager
def _reading(file: Path) -> Iterator[sqlite3.Connection]:
    """Open a database for reading one snapshot of it."""
    with _connected(file, read_only=True) as database:
        with _told_of(file):
            # While a snapshot is held, the copy is not begun anew with every write of somebody else.
            database.execute("BEGIN")
            database.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()
        yield database


@contextlib.contextmanager
def _connected(file: Path, *, read_only: bool = False) -> Iterator[sqlite3.Connection]:
    path = os.fsencode(file)
    name = f"file:{quote(path)}?mode=ro".encode() if read_only else path
    try:
        connection = sqlite3.connect(name, isolation_level=None, timeout=5, uri=read_only)
    except sqlite3.Error as error:
        raise StorageError(
            f"{file} cannot be opened: {error}", hint="check that it exists and can be read"
        ) from error
    with contextlib.closing(connection):
        yield connection


def _copy(source: sqlite3.Connection, target: sqlite3.Connection, on_progress: Progress | None) -> None:
    last, since = -1, monotonic()

    def step(status: int, remaining: int, total: int) -> None:
        nonlocal last, since
        del status
        if remaining != last:
            last, since = remaining, monotonic()
        elif monotonic() - since > BUSY_SECONDS:
            raise ConflictError(
                "another program keeps the database locked; nothing was changed",
                hint="end it, then try again",
            )
        if on_progress:
            on_progress(total - remaining, total)

    source.backup(target, pages=_PAGES, progress=step, sleep=_STEP_SECONDS)


@contextlib.contextmanager
def _told_of(source: Path, target: Path | None = None) -> Iterator[None]:
    """Say of an error of SQLite which file it is about, and damaged only of one whose content is to blame.

    What is called damaged gets replaced: neither a lock nor a disk that fails for a moment may be taken for that.
    """
    try:
        yield
    except UnicodeDecodeError as error:  # the driver cannot even read what SQLite says of it
        raise _damaged(source, "its tables have names that are no text") from error
    except sqlite3.Error as error:
        # The lower byte is the kind, as in https://sqlite.org/rescode.html; none is the driver's own refusal.
        kind = getattr(error, "sqlite_errorcode", _NOT_UNDERSTOOD) & 0xFF
        text = " ".join(str(error).split())[:200]
        if kind in _LOCKED:
            held = target or source
            raise ConflictError(
                f"another program holds {held}: {text}",
                hint=f"find it with: fuser {shlex.quote(str(held))}; end it, then try again",
            ) from error
        if kind in _DAMAGE or (kind == _NOT_UNDERSTOOD and target is None):
            raise _damaged(source, text) from error
        raise _unusable(source, target, text) from error


def _unusable(source: Path, target: Path | None, text: str) -> StorageError:
    if target is None:
        return StorageError(
            f"{source} cannot be read: {text}",
            hint=f"check its disk, and that what is in {source.parent} can be read and written; then try again",
        )
    hint = (
        f"free some space below {target.parent}, then try again"
        if "full" in text or "disk I/O" in text
        else f"check that {target.parent} can be written"
    )
    return StorageError(f"{target} cannot be written: {text}", hint=hint)


def _damaged(file: Path, found: str) -> BadInputFileError:
    return BadInputFileError(
        f"{file} is damaged or no database: {' '.join(found.split())[:200]}", hint="use another backup"
    )
