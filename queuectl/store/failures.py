"""What went wrong with a database, in words that people can act upon."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Literal

import peewee

from queuectl.errors import ConflictError, DatabaseUnreachableError, StorageError, UnreachableError
from queuectl.settings import without_password

Engine = Literal["sqlite", "postgresql"]

_CONFLICTS = frozenset({"40001", "40P01", "55P03"})
"""Serialization failure, deadlock, lock not available: the transaction is undone and may be tried again."""

_REFUSED_CLASSES = ("22", "23", "54")
"""Data exception, integrity constraint violation, program limit exceeded."""

_REFUSED_CODES = frozenset(
    {sqlite3.SQLITE_ERROR, sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH}
)


def explained(error: Exception, engine: Engine, url: str) -> UnreachableError | StorageError:
    """Return the failure that an error of the driver means for the database at ``url``."""
    text = " ".join(str(error).split()) or type(error).__name__
    if engine == "postgresql" and sql_state(error) in _CONFLICTS:
        return ConflictError(f"another writer was in the way: {text[:200]}", hint="try again")
    if engine == "postgresql":
        return DatabaseUnreachableError(
            f"the database {without_password(url)} does not answer: {text[:200]}",
            hint="start PostgreSQL or correct DATABASE_URL, then see: queuectl doctor",
        )
    path = url.removeprefix("sqlite:///")
    return StorageError(
        f"the database file {path} cannot be used: {text[:200]}", hint=_sqlite_hint(text, path)
    )


def sql_state(error: Exception) -> str | None:
    """Return PostgreSQL's five-character code for an error."""
    said = getattr(error, "orig", None)
    code: str | None = getattr(said, "pgcode", None) or getattr(said, "sqlstate", None)
    return code


def is_refusal(error: Exception) -> bool:
    """Tell whether an error is about what was to be written, which would be refused another time as well.

    False means that the database or the way to it has trouble: no space, no connection, another writer, a damaged file.
    """
    if not isinstance(error, peewee.DatabaseError | peewee.InterfaceError):
        return True  # the driver could not even send it
    said = getattr(error, "orig", None)
    if isinstance(said, sqlite3.Error):
        # The lower byte is the kind, as in https://sqlite.org/rescode.html; none is the driver's own refusal.
        code = getattr(said, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
        return code & 0xFF in _REFUSED_CODES
    return (sql_state(error) or "").startswith(_REFUSED_CLASSES)


def is_damage(error: Exception) -> bool:
    """Tell whether SQLite says that its file is damaged."""
    text = str(error)
    return "malformed" in text or "not a database" in text


def _sqlite_hint(text: str, path: str) -> str:
    if "locked" in text or "busy" in text:
        return "another program holds the file; find it with: fuser " + path
    if "full" in text or "disk I/O" in text:
        return f"free some space below {Path(path).parent}, then try again; see: queuectl doctor"
    if "malformed" in text or "not a database" in text:
        return "the file is damaged; restore a backup, or move it away and run: queuectl db init"
    return f"check that {Path(path).parent} exists and can be written; see: queuectl doctor"
