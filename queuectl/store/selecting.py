"""What a selection means in SQL, and by which index its tasks are found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from queuectl.domain.lifecycle import OPEN, State
from queuectl.domain.selection import Selection, Sort
from queuectl.domain.visible import storable
from queuectl.store.database import Transaction
from queuectl.store.rows import placeholders

Counts = Mapping[tuple[str, State], int]
"""The kept counts: (queue, state) to the number of tasks."""

_FEW = 100_000
"""Up to this many tasks of some states are all read by these states' index, rather than looked for among all."""


@dataclass(frozen=True, slots=True)
class _Index:
    """A partial index: the states that it covers, and the term by which both engines know that it may serve."""

    name: str
    states: frozenset[State]
    term: str


# Each term repeats the index's own condition, because SQLite compares texts and does not reason.
_INDEXES = (
    _Index("tasks_in_hand", frozenset({State.DISPATCHED, State.RUNNING}), "tasks.node IS NOT NULL"),
    _Index(
        "tasks_due",
        frozenset({State.SCHEDULED, State.RETRYING}),
        "tasks.state IN ('scheduled', 'retrying')",
    ),
    _Index("tasks_ready", frozenset({State.QUEUED}), "tasks.state = 'queued'"),
    _Index(
        "tasks_given_up", frozenset({State.DEAD, State.CANCELLED}), "tasks.state IN ('dead', 'cancelled')"
    ),
)


@dataclass(frozen=True, slots=True)
class Where:
    """The part of a query from its table on; every column in it is qualified, so that it may be joined.

    ``read_all`` says that the index holds few enough rows to read them all before they are put in order.
    """

    table: str
    conditions: tuple[str, ...]
    params: tuple[object, ...]
    read_all: bool = False

    @property
    def sql(self) -> str:
        """The table and the conditions."""
        return f"{self.table} WHERE {' AND '.join(self.conditions) or 'true'}"

    def also(self, condition: str, *params: object) -> Where:
        """Return the same with one more condition."""
        return Where(
            self.table, (*self.conditions, condition), (*self.params, *params), read_all=self.read_all
        )


def where(transaction: Transaction, selection: Selection, counts: Counts) -> Where:
    """Return where the tasks of a selection are found."""
    conditions, params = _conditions(transaction, selection)
    index = _index_for(selection)
    if index is None:
        if selection.states and OPEN.issuperset(selection.states):
            conditions.append("tasks.finished_at IS NULL")
        return Where("tasks", tuple(conditions), tuple(params))
    read_all = _of_states(counts, index.states) <= _FEW
    hint = f" INDEXED BY {index.name}" if read_all and transaction.database.engine == "sqlite" else ""
    return Where(f"tasks{hint}", (*conditions, index.term), tuple(params), read_all=read_all)


def reach(selection: Selection, sort: Sort, counts: Counts) -> int:
    """Return how many stored tasks may have to be read for a list of ``selection``, at the most."""
    if selection.ids:
        return len(selection.ids)
    if selection.batch is not None:
        return 0  # as many as the batch has, which is what was asked for
    index = _index_for(selection)
    if index is not None:
        return _of_states(counts, index.states)
    if sort in (Sort.CREATED, Sort.FINISHED) and not (
        selection.looks_into_rows or selection.states or selection.queues
    ):
        return 0  # the order itself is that of an index
    return sum(counts.values())


def counted(selection: Selection, counts: Counts) -> Counts | None:
    """Return the kept counts of a selection, or None if they do not tell, because it asks for more than they know."""
    if (
        selection.ids
        or selection.batch is not None
        or selection.looks_into_rows
        or selection.after is not None
    ):
        return None
    return {
        (queue, state): number
        for (queue, state), number in counts.items()
        if (not selection.queues or queue in selection.queues)
        and (not selection.states or state in selection.states)
    }


def _index_for(selection: Selection) -> _Index | None:
    if not selection.states or selection.ids or selection.batch is not None:
        return None
    return next((each for each in _INDEXES if each.states.issuperset(selection.states)), None)


def _of_states(counts: Counts, states: frozenset[State]) -> int:
    return sum(number for (_, state), number in counts.items() if state in states)


def _conditions(transaction: Transaction, selection: Selection) -> tuple[list[str], list[object]]:
    conditions: list[str] = []
    params: list[object] = []
    if selection.ids:
        values, numbers = transaction.database.values(
            (("vid", "bigint"),), [(each,) for each in selection.ids]
        )
        conditions.append(f"tasks.id IN (SELECT vid FROM {values})")
        params.extend(numbers)
    for column, wanted in (("state", selection.states), ("queue", selection.queues)):
        if wanted:
            conditions.append(f"tasks.{column} IN ({placeholders(wanted)})")
            params.extend(str(value) for value in wanted)
    for condition, value in (
        ("tasks.host = %s", selection.host and storable(selection.host.lower())),
        (transaction.database.contains("tasks.url"), selection.url and storable(selection.url)),
        (transaction.database.contains("tasks.error"), selection.error and storable(selection.error)),
        ("tasks.created_at >= %s", selection.since),
        ("tasks.created_at < %s", selection.until),
        ("tasks.id < %s", selection.after),
    ):
        if value is not None:
            conditions.append(condition)
            params.append(value)
    if selection.batch is not None:
        # A batch's tasks lie between two numbers, so the primary key finds them without another index.
        conditions.append(
            "tasks.batch_id = %s AND tasks.id BETWEEN COALESCE((SELECT first_task FROM batches WHERE id = %s), 1)"
            " AND COALESCE((SELECT last_task FROM batches WHERE id = %s), 0)"
        )
        params.extend([selection.batch] * 3)
    return conditions, params
