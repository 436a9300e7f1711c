"""Keep the order of waiting tasks in step with the aging setting, which is part of their stored rank."""

from __future__ import annotations

from queuectl.store.database import Database

_FACT = "priority_aging"


def apply_aging(database: Database, minutes: float | None) -> bool:
    """Rank all open tasks anew if the aging has changed since the last time; return whether it had."""
    wanted = repr(float(minutes or 0))
    with database.writing() as transaction:
        rows = transaction.rows("SELECT value FROM facts WHERE name = %s", (_FACT,))
        present = rows[0][0] if rows else repr(0.0)
        if present == wanted:
            return False
        transaction.execute(
            "INSERT INTO facts (name, value) VALUES (%s, %s) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            (_FACT, wanted),
        )
        if minutes:
            point = round(minutes * 60_000)
            transaction.execute(
                "UPDATE tasks SET rank = due_at - priority_score * CAST(%s AS BIGINT) WHERE finished_at IS NULL",
                (point,),
            )
        else:
            transaction.execute("UPDATE tasks SET rank = -priority_score WHERE finished_at IS NULL")
    return True
