"""What a task costs while somebody keeps an old snapshot of the database open, so that nothing dead can be removed.

The load is steady and far below what the daemon could do. What counts is the last minute, or the second half where
the whole is shorter than two minutes. It is one round, whatever is asked for, because the snapshot has to grow old.
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import psycopg2
from psycopg2.extensions import ISOLATION_LEVEL_REPEATABLE_READ

from queuectl.clock import now_ms
from queuectl.domain.task import ArticleTask
from queuectl.operations.manager import QueueManager
from queuectl.store.database import Database
from tests.bench.expense import Expense, till
from tests.bench.figures import Bound, Figure, figure, percentile, ratio
from tests.bench.stage import POSTGRES, REDIS, Place, Stage, urls

_BOUND = Bound(2)
_RATE = 1_500  # tasks in a second
_STEP_SECONDS = 0.1
_LAST_SECONDS = 60
_FREE, _HELD = "no snapshot", "a snapshot held"


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What the tasks of the last part cost, and how long they waited, in milliseconds."""

    expense: Expense
    waits: list[float]


def run(stage: Stage) -> list[Figure]:
    """Put the load on each kind of installation, with and without a snapshot."""
    figures: list[Figure] = []
    seconds = 600 if stage.long else stage.size(60, 6)
    for kind in (POSTGRES, REDIS):
        outcomes: dict[str, _Outcome] = {}
        for way in (_FREE, _HELD):
            stage.say(f"snapshot, {kind}: {seconds} s with {way}")
            with stage.place(kind) as place:
                outcomes[way] = _under_load(stage, place, seconds, held=way == _HELD)
        figures += _figures(f"{kind}, {seconds} s", outcomes)
    return figures


def _under_load(stage: Stage, place: Place, seconds: float, *, held: bool) -> _Outcome:
    rate = stage.size(_RATE, _RATE // 5)
    addresses = urls(sys.maxsize)
    with place.manager() as manager, till(stage, place) as made:
        # So that there is something to have read.
        _submit(manager, addresses, rate, until=time.monotonic() + 1)
        with _snapshot(place) if held else contextlib.nullcontext():
            end = time.monotonic() + seconds
            _submit(manager, addresses, rate, until=end - min(_LAST_SECONDS, seconds / 2))
            since = now_ms()
            made.begin()
            _submit(manager, addresses, rate, until=end)
            return _Outcome(made.expense(), _waits(place, since))


def _submit(manager: QueueManager, addresses: Iterator[str], rate: int, *, until: float) -> None:
    """Submit so many tasks a second, a few at a time; what could not be in time follows at once."""
    group = round(rate * _STEP_SECONDS)
    moment = time.monotonic()
    while moment < until:
        manager.submit_batch(ArticleTask(url, handler="noop") for url in islice(addresses, group))
        moment += _STEP_SECONDS
        time.sleep(max(0.0, moment - time.monotonic()))


@contextlib.contextmanager
def _snapshot(place: Place) -> Iterator[None]:
    """Hold a snapshot that sees the tasks as they are at the beginning of the block."""
    with contextlib.closing(psycopg2.connect(place.settings.database_url)) as connection:
        connection.set_session(isolation_level=ISOLATION_LEVEL_REPEATABLE_READ)
        with connection.cursor() as cursor:
            before = _count_seen(cursor)
            yield
            assert _count_seen(cursor) == before, "the snapshot has been lost"
            cursor.execute("SELECT backend_xmin FROM pg_stat_activity WHERE pid = pg_backend_pid()")
            assert cursor.fetchone() != (None,), "the snapshot has held nothing back"


def _count_seen(cursor: psycopg2.extensions.cursor) -> object:
    cursor.execute("SELECT COUNT(*), SUM(fence), MAX(id) FROM tasks")
    return cursor.fetchone()


def _waits(place: Place, since: int) -> list[float]:
    """Return how long the tasks that were submitted since then have waited, if need be until now."""
    database = Database(place.settings.database_url)
    with contextlib.closing(database), database.reading() as transaction:
        rows = transaction.rows(
            "SELECT COALESCE(started_at, %s) - created_at FROM tasks WHERE created_at >= %s",
            (now_ms(), since),
        )
    return [float(wait) for (wait,) in rows]


def _figures(where: str, outcomes: dict[str, _Outcome]) -> list[Figure]:
    figures = []
    for way, outcome in outcomes.items():
        expense = outcome.expense
        figures += [
            figure(f"{where}, {way}: done", [expense.rate], "tasks/s"),
            figure(f"{where}, {way}: the daemon a task", [expense.daemon_micros], "µs"),
            figure(f"{where}, {way}: the server a task", [expense.server_micros], "µs"),
            figure(f"{where}, {way}: p50 of the waits", [percentile(outcome.waits, 0.50)], "ms"),
            figure(f"{where}, {way}: p99 of the waits", [percentile(outcome.waits, 0.99)], "ms"),
        ]
    with_it, without = (outcomes[way].expense.processor_micros for way in (_HELD, _FREE))
    return [
        *figures,
        ratio(f"{where}: a task with a snapshot held against without", [with_it], [without], _BOUND),
    ]
