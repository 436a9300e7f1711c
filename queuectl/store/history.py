"""What happened to tasks: ended attempts with dead letters, and people's changes, written with their moves."""

from __future__ import annotations

import json
from collections.abc import Sequence

from queuectl.domain.ending import Ending
from queuectl.domain.lifecycle import Move
from queuectl.domain.status import PACE_MS, PACE_RUNS, Pace
from queuectl.domain.task import Attempt
from queuectl.store import dead_letters
from queuectl.store.database import Transaction

_ATTEMPT_COLUMNS = (
    ("vtask", "bigint"),
    ("vfence", "bigint"),
    ("vattempt", "bigint"),
    ("vnode", "text"),
    ("vstarted", "bigint"),
    ("vfinished", "bigint"),
    ("voutcome", "text"),
    ("verror", "text"),
    ("vtraceback", "text"),
    ("vmove", "text"),
)


def record(transaction: Transaction, endings: Sequence[Ending], node: str) -> None:
    """Write the attempts that ended, and a dead letter for each task that is buried."""
    for ending in endings:
        transaction.observed.end(ending)
    rows = [
        (
            ending.work.id,
            ending.work.fence,
            ending.work.attempt,
            node,
            ending.work.started_at,
            ending.finished_at,
            ending.verdict.value,
            ending.error,
            ending.traceback,
            ending.move.value,
        )
        for ending in endings
    ]
    values, params = transaction.database.values(_ATTEMPT_COLUMNS, rows)
    transaction.execute(
        "INSERT INTO attempts (task_id, fence, attempt, node, started_at, finished_at, outcome, error, traceback,"
        " move, recorded_at) SELECT vtask, vfence, vattempt, vnode, vstarted, vfinished, voutcome, verror, vtraceback,"
        f" vmove, {transaction.database.clock()} FROM {values}",
        params,
    )
    dead_letters.bury(transaction, [ending for ending in endings if ending.move is Move.BURY])


def note_change(
    transaction: Transaction, move: str, tasks: Sequence[int], *, detail: str | None = None
) -> None:
    """Write what a person's command does to a group of tasks: one row, however many they are."""
    if tasks:
        transaction.execute(
            f"INSERT INTO changes (at, move, tasks, detail) VALUES ({transaction.database.clock()}, %s, %s, %s)",
            (move, json.dumps(list(tasks), separators=(",", ":")), detail),
        )


def pace(transaction: Transaction, now: int) -> Pace:
    """Return how fast runs end, told by the last ones, however many are stored; ``now`` is the database's clock."""
    rows = transaction.rows(
        "SELECT COUNT(*), COALESCE(SUM(CASE WHEN move IN ('retry', 'bury') THEN 1 ELSE 0 END), 0),"
        " COALESCE(SUM(CASE WHEN move IN ('succeed', 'bury', 'cancel') THEN 1 ELSE 0 END), 0),"
        " COALESCE(SUM(CASE WHEN recorded_at >= %s THEN 1 ELSE 0 END), 0), COALESCE(MIN(recorded_at), %s)"
        " FROM (SELECT move, recorded_at FROM attempts WHERE recorded_at >= %s"
        " ORDER BY recorded_at DESC LIMIT %s) AS latest",
        (now - 60_000, now, now - PACE_MS, PACE_RUNS),
    )
    runs, failed, ended, last_minute, first = (int(each) for each in rows[0])
    return Pace(runs, failed, ended, last_minute, max(0, now - first))


def attempts_of(transaction: Transaction, task: int) -> tuple[Attempt, ...]:
    """Return a task's ended attempts, the first one first."""
    rows = transaction.rows(
        "SELECT attempt, fence, node, started_at, finished_at, outcome, error, traceback FROM attempts"
        " WHERE task_id = %s ORDER BY fence",
        (task,),
    )
    return tuple(Attempt(*row) for row in rows)
