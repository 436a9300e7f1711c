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

_AWAY = ("08", "57P", "53300")
"""Connection exceptions, shutdown and start of the server, no connection free: whatever was under way is unknown."""

_NOT_ALLOWED = "42501"
_CHANGED = "something besides queuectl has changed the tables; see: queuectl db check"

_HINTS = {
    "57P03": "it is starting or stopping; try again",
    "53300": "raise max_connections of PostgreSQL, or end programs that hold connections",
    "53100": "free some space on the disk of the database's server, then try again",
    "53200": "give the database's server more memory, then try again",
    "57014": "the server ended the statement: see its statement_timeout, or who cancelled it",
    "25006": "the server is read-only, as a standby is: let DATABASE_URL lead to the primary",
    _NOT_ALLOWED: "GRANT the user of DATABASE_URL what it needs, or connect as the owner of the tables",
    "58": "see the disk of the database's server, and its log",
    "23": _CHANGED,
}

_TAKEN = {
    "tasks.unique_key": "tasks_unique",
    "schedules.name": "schedules_name_key",
}
"""What must be unique, and PostgreSQL's name for the rule."""

_REFUSED_CLASSES = ("22", "23", "54")
"""Data exception, integrity constraint violation, program limit exceeded."""

_REFUSED_CODES = frozenset(
    {sqlite3.SQLITE_ERROR, sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH}
)


def explained(error: Exception, engine: Engine, url: str) -> UnreachableError | StorageError:
    """Return the failure that an error of the driver means for the database at ``url``."""
    if isinstance(error, MemoryError):
        return StorageError("no memory is left for work with the database", hint="see: queuectl doctor")
    text = " ".join(str(error).split()) or type(error).__name__
    if engine == "postgresql":
        return _of_postgres(sql_state(error), text[:200], without_password(url))
    path = url.removeprefix("sqlite:///")
    return StorageError(
        f"the database file {path} cannot be used: {text[:200]}", hint=_sqlite_hint(text, path)
    )


def _of_postgres(code: str | None, text: str, shown: str) -> UnreachableError | StorageError:
    if code in _CONFLICTS:
        return ConflictError(f"another writer was in the way: {text}", hint="try again")
    if code is None or code.startswith(_AWAY):
        hint = _HINTS.get(code or "", "start PostgreSQL or correct DATABASE_URL, then see: queuectl doctor")
        return DatabaseUnreachableError(f"the database {shown} does not answer: {text}", hint=hint)
    hint = _HINTS.get(code) or _HINTS.get(code[:2], "see the log of PostgreSQL, and: queuectl doctor")
    return StorageError(f"the database {shown} cannot be used: {text}", hint=hint)


def sql_state(error: Exception) -> str | None:
    """Return PostgreSQL's five-character code for an error."""
    said = getattr(error, "orig", None)
    code: str | None = getattr(said, "pgcode", None) or getattr(said, "sqlstate", None)
    return code


def is_refusal(error: Exception) -> bool:
    """Tell whether an error is about what was to be written, which would be refused another time as well.

    False means that the database or the way to it has trouble: no space, no connection, another writer, a damaged file.
    """
    if isinstance(error, MemoryError | OSError):
        return False  # it is this machine that has no room
    if not isinstance(error, peewee.DatabaseError | peewee.InterfaceError):
        return True  # the driver could not even send it
    said = getattr(error, "orig", None)
    if isinstance(said, sqlite3.Error):
        # The lower byte is the kind, as in https://sqlite.org/rescode.html; none is the driver's own refusal.
        code = getattr(said, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
        return code & 0xFF in _REFUSED_CODES
    return (sql_state(error) or "").startswith(_REFUSED_CLASSES)


def is_taken(error: Exception, column: str) -> bool:
    """Tell whether an error says that a column's value, which must be unique, is there already."""
    diagnosis = getattr(getattr(error, "orig", None), "diag", None)
    if diagnosis is not None:
        return bool(diagnosis.constraint_name == _TAKEN[column])
    return f"UNIQUE constraint failed: {column}" in str(error)


def is_from_outside(error: Exception) -> bool:
    """Tell whether an error comes of what others did to the database: rights that lack, rows that break its rules."""
    return isinstance(error, peewee.IntegrityError) or sql_state(error) == _NOT_ALLOWED


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
    if "constraint failed" in text:
        return _CHANGED
    return f"check that {Path(path).parent} exists and can be written; see: queuectl doctor"
