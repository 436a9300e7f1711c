"""Keep the order of waiting tasks in step with the aging setting, which is part of their stored rank.

The setting of the daemon that started last counts for everybody who uses the database: it is stored
here, and whoever submits ranks by what is stored, whatever his own settings say.
"""

from __future__ import annotations

from queuectl.domain.priority import point_of
from queuectl.store.database import Database, Transaction

_FACT = "aging_point"
"""How many milliseconds of waiting weigh as much as one point of score; 0 where only the score counts."""

RANK_BY_STORED_AGING = (
    "COALESCE((SELECT %s - %s * CAST(value AS BIGINT) FROM facts"
    f" WHERE name = '{_FACT}' AND value <> '0'), 0 - %s)"
)
"""The rank as a part of another statement, which it does not make longer; takes due time, score and score."""

RANK_FROM_NOW = RANK_BY_STORED_AGING.replace("%s", "{}").format("%s", "priority_score", "priority_score")
"""The rank of a row that is there already and falls due at a moment, which it takes."""


def rank_of_row(point: int | None, due: str = "due_at") -> str:
    """Return the rank of a row that is there already, by its score and what it is due at, as part of an update."""
    return "-priority_score" if point is None else f"{due} - priority_score * CAST({point:d} AS BIGINT)"


def stored_point(transaction: Transaction, *, kept: bool = False) -> int | None:
    """Return the milliseconds of waiting that weigh as much as one point of score; None without aging.

    ``kept`` keeps it as it is until the transaction ends, for rows that are ranked by it here.
    """
    query = "SELECT value FROM facts WHERE name = %s"
    if kept and transaction.database.engine == "postgresql":
        query += " FOR SHARE"
        # What is not there cannot be locked, and nobody has stored it before the first daemon starts.
        _store(transaction, "0", on_conflict="NOTHING")
    rows = transaction.rows(query, (_FACT,))
    return int(rows[0][0]) or None if rows else None


def _store(transaction: Transaction, value: str, *, on_conflict: str) -> None:
    transaction.execute(
        f"INSERT INTO facts (name, value) VALUES (%s, %s) ON CONFLICT (name) DO {on_conflict}", (_FACT, value)
    )


def apply_aging(database: Database, minutes: float | None) -> bool:
    """Rank all open tasks anew if the aging has changed since the last time; return whether it had."""
    point = point_of(minutes)
    with database.writing() as transaction:
        _store(transaction, "0", on_conflict="NOTHING")
        if stored_point(transaction) == point:
            return False  # without having waited for any of those who keep the fact as it is
        _store(transaction, str(point or 0), on_conflict="UPDATE SET value = excluded.value")
        if database.engine == "postgresql":
            # Who is inserting ranks by the old value, and has to be done before the rows are ranked anew; so
            # has who locked some to change them, or each would wait for the other's rows. The fact comes
            # first, as it does for those who insert.
            transaction.execute("LOCK TABLE tasks IN EXCLUSIVE MODE")
        transaction.execute(f"UPDATE tasks SET rank = {rank_of_row(point)} WHERE finished_at IS NULL")
    return True
