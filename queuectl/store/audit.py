"""The record of what people did: lines are added by the transactions that do it, and are never changed.

A line is written after everything else of its transaction, the kept counts included, because the lock of
the head, under which the numbers are given out, is the last of the locks: whoever has it waits for nobody.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from queuectl.domain.audit import CONTENT, AuditLine, Head, hashed, key_name, link, sealed
from queuectl.domain.lifecycle import State

if TYPE_CHECKING:
    from queuectl.store.database import Transaction

_HEAD = "audit_head"
_COLUMNS = ", ".join(AuditLine.__slots__)
_GROUP = 1_000
_FORMER = (
    ("vtask", "bigint"),
    ("vstate", "text"),
    ("vscore", "bigint"),
    ("vfence", "bigint"),
    ("vgiven", "bigint"),
)
_KEPT = (
    "(EXISTS (SELECT 1 FROM undo_tasks WHERE undo_tasks.operation = audit.number)"
    " OR EXISTS (SELECT 1 FROM undo_rows WHERE undo_rows.operation = audit.number))"
)
_FORMER_COLUMNS = "task_id, state, score, fence, given_score"


class Former(NamedTuple):
    """A task as it was before a person changed it, and the fence and the score that it has since."""

    id: int
    state: State
    score: int
    fence: int
    given_score: int


@dataclass(slots=True)
class Note:
    """A line that is to be written with a transaction; ``operation`` is 0 for the first line of a command.

    ``keeps_tasks`` keeps what the changed tasks were, ``kept`` another thing as JSON, so that it can be undone.
    ``created`` are ranges of numbers of new tasks, which are undone by cancelling those that are as they came.
    """

    key: bytes
    who: str
    host: str
    verb: str
    target: str
    things: int
    before: str | None = None
    after: str | None = None
    undoes: int | None = None
    operation: int = 0
    keeps_tasks: bool = False
    kept: str | None = None
    created: tuple[tuple[int, int], ...] = ()


def append(transaction: Transaction, note: Note) -> None:
    """Add a line, with what it takes to undo it, and set the note's operation."""
    head, number = _next(transaction, note.key)
    note.operation = note.operation or number
    content = {
        "number": number,
        "operation": note.operation,
        "at": transaction.now(),
        "key": key_name(note.key),
        **{name: getattr(note, name) for name in ("who", "host", "verb", "target", "things")},
        **{name: getattr(note, name) for name in ("before", "after", "undoes")},
    }
    linked = link(head.hash, [content[name] for name in CONTENT])
    line = AuditLine(**content, hash=hashed(linked), seal=sealed(note.key, linked))
    transaction.execute(
        f"INSERT INTO audit ({_COLUMNS}) VALUES ({', '.join(['%s'] * len(AuditLine.__slots__))})",
        [getattr(line, name) for name in AuditLine.__slots__],
    )
    transaction.execute("UPDATE facts SET value = %s WHERE name = %s", (str(Head.of(line, note.key)), _HEAD))
    _keep(transaction, note, number)


def _keep(transaction: Transaction, note: Note, number: int) -> None:
    if note.keeps_tasks and transaction.former:
        values, params = transaction.database.values(_FORMER, transaction.former)
        transaction.execute(
            f"INSERT INTO undo_tasks (operation, {_FORMER_COLUMNS})"
            f" SELECT {note.operation:d}, vtask, vstate, vscore, vfence, vgiven FROM {values} WHERE true"
            # The same task twice in one command: what it was before the first time counts.
            " ON CONFLICT (operation, task_id) DO UPDATE SET fence = excluded.fence,"
            " given_score = excluded.given_score",
            params,
        )
    for reach in note.created:
        transaction.execute(
            f"INSERT INTO undo_tasks (operation, {_FORMER_COLUMNS})"
            f" SELECT {note.operation:d}, id, 'cancelled', priority_score, fence, priority_score FROM tasks"
            " WHERE id BETWEEN %s AND %s AND finished_at IS NULL",
            reach,
        )
    if note.kept is not None:
        transaction.execute("INSERT INTO undo_rows (operation, content) VALUES (%s, %s)", (number, note.kept))


def _next(transaction: Transaction, key: bytes) -> tuple[Head, int]:
    """Lock the note of where the record ends; return what the next line follows, and its number.

    Nothing that somebody has spoilt may stop the work. But the new note would cover up that the old one did
    not fit, so a number is left out then, which ``examine`` finds ever after.
    """
    # One statement that makes the row where it is missing, and locks it either way.
    rows = transaction.rows(
        "INSERT INTO facts (name, value) VALUES (%s, %s) ON CONFLICT (name) DO UPDATE SET value = facts.value"
        " RETURNING value",
        (_HEAD, str(Head())),
    )
    noted = Head.read(rows[0][0])
    last = transaction.rows("SELECT number, hash FROM audit ORDER BY number DESC LIMIT 1")
    end = Head(*last[0]) if last else Head()
    if noted is None or noted.number < end.number:
        noted, fits = end, False
    else:
        fits = noted.key not in ("", key_name(key)) or noted.is_sealed_by(key)
    number = noted.number + (1 if fits else 2)
    if not fits:  # the number may have been another operation's
        for table in ("undo_tasks", "undo_rows"):
            transaction.execute(f"DELETE FROM {table} WHERE operation >= %s", (number,))
    return noted, number


def head(transaction: Transaction) -> Head | None:
    """Return the note of where the record ends, None if it is missing or no such note."""
    rows = transaction.rows("SELECT value FROM facts WHERE name = %s", (_HEAD,))
    return Head.read(rows[0][0]) if rows else None


def walk(transaction: Transaction) -> Iterator[AuditLine]:
    """Yield every line in the order of their numbers, in groups that each are one query."""
    last = -(2**62)
    while True:
        rows = transaction.rows(
            f"SELECT {_COLUMNS} FROM audit WHERE number > %s ORDER BY number LIMIT %s", (last, _GROUP)
        )
        yield from (AuditLine(*row) for row in rows)
        if len(rows) < _GROUP:
            return
        last = rows[-1][0]


def operation_of(transaction: Transaction, number: int) -> int | None:
    """Return the operation that a line belongs to, None if there is no such line."""
    rows = transaction.rows("SELECT operation FROM audit WHERE number = %s", (number,))
    return int(rows[0][0]) if rows else None


def lines_of(transaction: Transaction, operation: int, limit: int) -> list[AuditLine]:
    """Return the first lines of an operation."""
    rows = transaction.rows(
        f"SELECT {_COLUMNS} FROM audit WHERE operation = %s ORDER BY number LIMIT %s", (operation, limit)
    )
    return [AuditLine(*row) for row in rows]


@dataclass(frozen=True, slots=True)
class Summary:
    """An operation with all its lines: its first line, how many lines and things, and the time of the last one.

    ``undone_by`` is the latest operation that put something of it back, ``kept`` tells that it still can be.
    """

    first: AuditLine
    lines: int
    things: int
    ended_at: int
    undone_by: int | None
    kept: bool


@dataclass(frozen=True, slots=True)
class AuditSelection:
    """Which operations are meant; ``since`` and ``until`` bound their first line, in UTC milliseconds."""

    operation: int | None = None
    since: int | None = None
    until: int | None = None
    who: str | None = None
    verb: str | None = None
    kept: bool = False


def operations(transaction: Transaction, selection: AuditSelection, limit: int) -> list[Summary]:
    """Return the operations that match, the newest first; ``kept`` asks for those that can be undone."""
    conditions, params = ["number = operation"], list[object]()
    for condition, value in (
        ("operation = %s", selection.operation),
        ("at >= %s", selection.since),
        ("at < %s", selection.until),
        ("who = %s", selection.who),
        ("verb = %s", selection.verb),
    ):
        if value is not None:
            conditions.append(condition)
            params.append(value)
    if selection.kept:
        conditions.append(_KEPT)
    columns = ", ".join(f"audit.{name}" for name in AuditLine.__slots__)
    rows = transaction.rows(
        f"SELECT {columns},"
        " (SELECT COUNT(*) FROM audit AS part WHERE part.operation = audit.number),"
        " (SELECT SUM(part.things) FROM audit AS part WHERE part.operation = audit.number),"
        " (SELECT MAX(part.at) FROM audit AS part WHERE part.operation = audit.number),"
        " (SELECT MAX(later.operation) FROM audit AS later WHERE later.undoes = audit.number),"
        f" {_KEPT} FROM audit WHERE {' AND '.join(conditions)} ORDER BY number DESC LIMIT %s",
        (*params, limit),
    )
    width = len(AuditLine.__slots__)
    return [
        Summary(
            AuditLine(*row[:width]),
            row[width],
            int(row[width + 1]),
            row[width + 2],
            row[width + 3],
            bool(row[-1]),
        )
        for row in rows
    ]
