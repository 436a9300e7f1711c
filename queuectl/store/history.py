"""What happened to tasks: their ended attempts, written with the move they belong to, and dead letters with them."""

from __future__ import annotations

from collections.abc import Sequence

from queuectl.domain.ending import Ending
from queuectl.domain.lifecycle import Move
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
)


def record(transaction: Transaction, endings: Sequence[Ending], node: str) -> None:
    """Write the attempts that ended, and a dead letter for each task that is buried."""
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
        )
        for ending in endings
    ]
    values, params = transaction.database.values(_ATTEMPT_COLUMNS, rows)
    transaction.execute(
        "INSERT INTO attempts (task_id, fence, attempt, node, started_at, finished_at, outcome, error, traceback)"
        f" SELECT vtask, vfence, vattempt, vnode, vstarted, vfinished, voutcome, verror, vtraceback FROM {values}",
        params,
    )
    dead_letters.bury(transaction, [ending for ending in endings if ending.move is Move.BURY])


def attempts_of(transaction: Transaction, task: int) -> tuple[Attempt, ...]:
    """Return a task's ended attempts, the first one first."""
    rows = transaction.rows(
        "SELECT attempt, fence, node, started_at, finished_at, outcome, error, traceback FROM attempts"
        " WHERE task_id = %s ORDER BY fence",
        (task,),
    )
    return tuple(Attempt(*row) for row in rows)
