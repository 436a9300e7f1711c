"""Write down what the judge reads: a trigger keeps every change of a state, and the tables are read as they are.

The trigger's rows are committed or undone with the change that they tell of, whoever makes it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from queuectl.store.database import Database, Transaction
from tests.support.sightings import Sighting

MOVES = "recorded_moves"
"""The table of changes, which only tests have."""

_COLUMNS = "task, old, new, old_fence, fence, attempt, node, queue, score, due_at, at"
_TABLES = (
    "tasks",
    "attempts",
    "changes",
    "dead_letters",
    "counters",
    "batch_counters",
    "batches",
    "queues",
    "schedules",
    "ticks",
    "audit",
    "facts",
)


def record_moves(database: Database, *, clock: str | None = None) -> None:
    """Keep every change of a task's state from now on; ``clock`` is the SQL of the time, by default the database's."""
    moment = clock or database.clock()
    with database.writing() as transaction:
        if database.engine == "sqlite":
            _record_in_sqlite(transaction, moment)
        else:
            _record_in_postgres(transaction, moment)


def _record_in_sqlite(transaction: Transaction, moment: str) -> None:
    transaction.execute(
        f"CREATE TABLE {MOVES} (seq INTEGER PRIMARY KEY, task INTEGER, old TEXT, new TEXT, old_fence INTEGER,"
        " fence INTEGER, attempt INTEGER, node TEXT, queue TEXT, score INTEGER, due_at INTEGER, at INTEGER)"
    )
    # While it runs a task has a node; when it ends, the one that it had tells where.
    for name, when, old, node in (
        ("begun", "AFTER INSERT ON tasks", "NULL", "NEW.node"),
        (
            "moved",
            "AFTER UPDATE OF state ON tasks WHEN OLD.state <> NEW.state",
            "OLD.state",
            "COALESCE(NEW.node, OLD.node)",
        ),
    ):
        fence = "0" if old == "NULL" else "OLD.fence"
        transaction.execute(
            f"CREATE TRIGGER {MOVES}_{name} {when} BEGIN INSERT INTO {MOVES} ({_COLUMNS}) VALUES (NEW.id, {old},"
            f" NEW.state, {fence}, NEW.fence, NEW.attempt, {node}, NEW.queue, NEW.priority_score, NEW.due_at,"
            f" {moment}); END"
        )


def _record_in_postgres(transaction: Transaction, moment: str) -> None:
    transaction.execute(
        f"CREATE TABLE {MOVES} (seq bigserial PRIMARY KEY, task bigint, old text, new text, old_fence bigint,"
        " fence bigint, attempt bigint, node text, queue text, score bigint, due_at bigint, at bigint)"
    )
    transaction.execute(
        f"CREATE FUNCTION {MOVES}_kept() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        f" IF TG_OP = 'INSERT' THEN INSERT INTO {MOVES} ({_COLUMNS}) VALUES"
        " (NEW.id, NULL, NEW.state, 0, NEW.fence, NEW.attempt, NEW.node, NEW.queue, NEW.priority_score,"
        f" NEW.due_at, {moment});"
        f" ELSIF OLD.state <> NEW.state THEN INSERT INTO {MOVES} ({_COLUMNS}) VALUES"
        " (NEW.id, OLD.state, NEW.state, OLD.fence, NEW.fence, NEW.attempt, COALESCE(NEW.node, OLD.node),"
        f" NEW.queue, NEW.priority_score, NEW.due_at, {moment}); END IF; RETURN NULL; END $$"
    )
    transaction.execute(
        f"CREATE TRIGGER {MOVES}_kept AFTER INSERT OR UPDATE OF state ON tasks"
        f" FOR EACH ROW EXECUTE FUNCTION {MOVES}_kept()"
    )


def read_tables(database: Database) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of every table that the judge reads; the changes of states as ``events`` where they were kept."""
    with database.reading() as transaction:
        tables = {name: _read(transaction, name) for name in _TABLES}
        catalogue = "sqlite_master" if database.engine == "sqlite" else "pg_tables"
        column = "name" if database.engine == "sqlite" else "tablename"
        if transaction.rows(f"SELECT 1 FROM {catalogue} WHERE {column} = %s", (MOVES,)):
            tables["events"] = _read(transaction, MOVES)
    return tables


def _read(transaction: Transaction, table: str) -> list[dict[str, Any]]:
    cursor = transaction.execute(f"SELECT * FROM {table}")
    columns = [column[0] for column in cursor.description]
    return [dict(zip(columns, row, strict=True)) for row in cursor.fetchall()]


def seen(sightings: Iterable[Sighting]) -> list[dict[str, Any]]:
    """Return what handlers were seen to do in the form of the witness's history."""
    return [
        {
            "event": each.event,
            "task": each.task,
            "fence": each.fence,
            "attempt": each.attempt,
            "pid": each.pid,
            "at": each.at,
        }
        for each in sightings
    ]
