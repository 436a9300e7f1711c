"""Look at the schedules: that their sources could be read when they were last due."""

from __future__ import annotations

from collections.abc import Iterator
from shlex import quote

from queuectl.errors import QueuectlError
from queuectl.operations.administration import Check
from queuectl.operations.opening import open_database
from queuectl.settings import Settings
from queuectl.store import schedules as stored

_SHOWN_PROBLEMS = 10


def schedules(settings: Settings) -> Iterator[Check]:
    """Look for schedules that have a problem."""
    try:
        database = open_database(settings)
    except QueuectlError:  # reported by its own check
        return
    try:
        with database.reading() as transaction:
            troubled = stored.problems(transaction, _SHOWN_PROBLEMS)
            known = stored.every(transaction)
    finally:
        database.close()
    for each in troubled:
        hint = f"see: queuectl schedule show {quote(each.name)}"
        yield Check(f"schedule {each.name}", ok=False, detail=each.problem, hint=hint)
    if not troubled:
        number = len(known)
        yield Check("schedules", ok=True, detail=f"{number} known, none with a problem" if number else "none")
