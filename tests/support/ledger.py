"""The books of an installation after a disaster: its histories are read and put before the judge.

What the submitter was told, what the handlers' outside witness saw, and what the database says came about apart;
``tests/faults/judge`` compares them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from queuectl.domain.retry import CRASH_LIMIT
from queuectl.operations.administration import database_check
from queuectl.operations.monitor import Monitor
from queuectl.settings import Settings
from queuectl.store.database import Database
from tests.faults.judge import Histories, judge, sentence
from tests.faults.recording import read_tables, seen
from tests.support.sightings import Witness

Row = Mapping[str, Any]

_FAR = 10_000_000_000_000  # UTC milliseconds, in the year 2286


@dataclass(frozen=True, slots=True)
class Accounts:
    """What was judged, for tests that want to know more of it."""

    histories: Histories

    @property
    def tasks(self) -> Mapping[int, Row]:
        """The tasks by their numbers."""
        return self.histories.tasks

    @property
    def letters(self) -> Sequence[Row]:
        """The dead letters."""
        return self.histories.rows("dead_letters")

    @property
    def attempts(self) -> Sequence[Row]:
        """The recorded runs."""
        return self.histories.rows("attempts")

    def attempts_of(self, task: int) -> list[Row]:
        """Return what the database says of a task's runs, in the order of their fences."""
        return self.histories.attempts.get(task, [])


def check_books(
    settings: Settings,
    witness: Witness,
    accepted: Iterable[int],
    *,
    unknown: int = 0,
    may_overlap: bool = False,
    thawed: Mapping[int, int] | None = None,
) -> Accounts:
    """Check that the promises were kept and that the database is in order; return what was judged.

    ``unknown`` counts the submissions whose answer was lost: they may exist or not. ``may_overlap`` is for nodes
    that lost their lease while they were halted: an attempt still runs once, but the next one may begin before it
    has ended. ``thawed`` are the processes that were let go on after a halt, with the moment (ns of the monotonic
    clock) when they were: in a thread of theirs a run may begin then that had been about to.

    Raises:
        AssertionError: They were not; the message shows the first tasks that tell.
    """
    __tracebackhide__ = True
    told: list[dict[str, Any]] = [
        {"event": "ok", "key": number, "ids": [number], "at": 0} for number in accepted
    ]
    told += [{"event": "unknown", "key": f"unknown {number}", "at": 0} for number in range(unknown)]
    database = Database(settings.database_url)
    try:
        tables = read_tables(database)
    finally:
        database.close()
    facts = {
        "max_retries": settings.max_retries,
        "crash_limit": CRASH_LIMIT,
        "may_overlap": may_overlap,
        "thawed": [{"pid": pid, "at": at} for pid, at in (thawed or {}).items()],
    }
    histories = Histories(told, seen(witness.sightings()), tables, facts)
    judgement = judge(histories)
    if judgement.breaches:
        raise AssertionError(sentence(judgement, histories))
    for check in database_check(settings):
        assert check.ok, f"{check.name}: {check.detail}"
    accounts = Accounts(histories)
    check_statistics(settings, accounts)
    return accounts


def check_statistics(settings: Settings, accounts: Accounts) -> None:
    """Compare the statistics with the rows: whoever was killed, each run and each task counts once."""
    monitor = Monitor(settings)
    total = monitor.get_statistics(0, _FAR).total
    monitor.close()
    moves = Counter(row["move"] for row in accounts.attempts)
    assert total.submitted == len(accounts.tasks)
    assert total.attempts == total.runs.count == moves.total() - moves["release"]
    counted = (total.succeeded, total.retried, total.dead, total.released)
    assert counted == tuple(moves[move] for move in ("succeed", "retry", "bury", "release"))
