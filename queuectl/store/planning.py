"""What plans and forecasts read: tasks that have not started, starts that are planned or past, and run times."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from queuectl.domain.forecast import AtWork, Waiting
from queuectl.domain.lifecycle import State
from queuectl.domain.run_times import Run
from queuectl.domain.window_order import Other
from queuectl.store.database import Row, Transaction

_LATEST_RUNS = 2_000
"""Run times are learnt from so many of the runs that ended last."""

_LATEST_STARTS = 10_000
"""No more past starts are counted than these; with more than that in an hour no cap has room anyway."""


@dataclass(frozen=True, slots=True)
class Standing:
    """A task as a plan finds it; ``due_at`` is when it is due to start."""

    id: int
    url: str
    host: str
    queue: str
    priority_score: int
    state: State
    due_at: int
    run_at: int | None


def standing(transaction: Transaction, ids: Iterable[int], *, locked: bool = False) -> list[Standing]:
    """Return those of the tasks that exist, by number; ``locked`` keeps others from moving them."""
    values, params = transaction.database.values((("vid", "bigint"),), [(number,) for number in ids])
    chosen = transaction.database.any_of(f"SELECT vid FROM {values}")
    lock = transaction.database.row_lock() if locked else ""
    rows = transaction.rows(
        "SELECT id, url, host, queue, priority_score, state, due_at, run_at FROM tasks"
        f" WHERE id {chosen} ORDER BY id{lock}",
        params,
    )
    return [
        Standing(number, url, host, queue, score, State(state), due_at, run_at)
        for number, url, host, queue, score, state, due_at, run_at in rows
    ]


def planned_starts(transaction: Transaction, since: int, until: int, without: Iterable[int]) -> list[Other]:
    """Return the starts that scheduled and retrying tasks have between two moments, but for some tasks."""
    left_out = set(without)
    rows = transaction.rows(
        "SELECT id, due_at, queue, host FROM tasks WHERE state IN ('scheduled', 'retrying')"
        " AND due_at >= %s AND due_at < %s ORDER BY due_at, id",
        (since, until),
    )
    return [Other(at, queue, host) for number, at, queue, host in rows if number not in left_out]


def past_starts(transaction: Transaction, since: int) -> list[Other]:
    """Return the starts since a moment of tasks that run or have ended, and of every task that still runs."""
    running = transaction.rows(
        "SELECT started_at, queue, host FROM tasks WHERE node IS NOT NULL AND state = 'running'"
    )
    ended = transaction.rows(
        "SELECT started_at, queue, host FROM tasks WHERE finished_at >= %s AND started_at >= %s"
        " ORDER BY finished_at DESC LIMIT %s",
        (since, since, _LATEST_STARTS),
    )
    return [Other(*row) for row in [*running, *ended]]


def last_starts(transaction: Transaction) -> dict[str, int]:
    """Return when a task of a host last started, as far as it is kept."""
    rows = transaction.rows("SELECT host, last_start_at FROM hosts WHERE last_start_at IS NOT NULL")
    return {host: int(at) for host, at in rows}


def latest_runs(transaction: Transaction) -> list[Run]:
    """Return the run times of the tasks that ended last, whether they succeeded or not."""
    rows = transaction.rows(
        "SELECT queue, handler, finished_at - started_at FROM tasks"
        " WHERE finished_at IS NOT NULL AND started_at IS NOT NULL AND state IN ('succeeded', 'dead')"
        " ORDER BY finished_at DESC LIMIT %s",
        (_LATEST_RUNS,),
    )
    return [Run(queue, handler, max(0, int(took))) for queue, handler, took in rows]


def waiting_tasks(transaction: Transaction, one_of: int) -> list[Waiting]:
    """Return the tasks that have not started; of so many numbers in a row only those of one."""
    rows: list[Row] = []
    # One statement for each partial index.
    for states in (
        "state = 'queued'",
        "state IN ('scheduled', 'retrying')",
        "node IS NOT NULL AND state = 'dispatched'",
    ):
        rows += transaction.rows(
            "SELECT id, queue, host, handler, rank, due_at FROM tasks"
            f" WHERE {states} AND (%s = 1 OR id - id / %s * %s = 0)",
            (one_of, one_of, one_of),
        )
    return [Waiting(*row) for row in rows]


def tasks_at_work(transaction: Transaction) -> list[AtWork]:
    """Return the tasks that run."""
    rows = transaction.rows(
        "SELECT id, queue, host, handler, started_at FROM tasks WHERE node IS NOT NULL AND state = 'running'"
    )
    return [AtWork(*row) for row in rows]
