"""The tasks that a person wants to move, as they are and locked until the move is made."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import peewee

from queuectl.domain.lifecycle import State
from queuectl.errors import DuplicateTaskError
from queuectl.store.audit import Former
from queuectl.store.database import Row, Transaction
from queuectl.store.failures import is_taken

CHOSEN = "id, queue, state, batch_id, priority_score, fence, host"
"""The columns that make a ``Chosen``."""


class Chosen(NamedTuple):
    """A task that is to be moved, as it is."""

    id: int
    queue: str
    state: State
    batch: int | None
    score: int
    fence: int
    host: str

    def former(self, *, raised: bool, score: int | None = None) -> Former:
        """Return it for those who may want it back; ``raised`` says that its fence rises, ``score`` what it gets."""
        given = self.score if score is None else score
        return Former(self.id, self.state, self.score, self.fence + raised, given)


def chosen(row: Row) -> Chosen:
    """Return what a row of these columns says."""
    number, queue, state, *rest = row
    return Chosen(number, queue, State(state), *rest)


def locked(transaction: Transaction, ids: Iterable[int]) -> list[Chosen]:
    """Lock those of these tasks that exist, in the order of their numbers, and return them."""
    values, params = transaction.database.values((("vid", "bigint"),), [(number,) for number in ids])
    rows = transaction.rows(
        f"SELECT {CHOSEN} FROM tasks WHERE id {transaction.database.any_of(f'SELECT vid FROM {values}')}"
        f" ORDER BY id{transaction.database.row_lock()}",
        params,
    )
    return [chosen(row) for row in rows]


@contextmanager
def kept_unique() -> Iterator[None]:
    """Tell that a task cannot be open again.

    Raises:
        DuplicateTaskError: it is unique, and another open task for its URL exists.
    """
    try:
        yield
    except peewee.IntegrityError as error:
        if not is_taken(error, "tasks.unique_key"):
            raise
        raise DuplicateTaskError(
            "another open task for the same URL exists, and this one is to be unique"
        ) from error
