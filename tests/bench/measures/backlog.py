"""Whether a task costs more the more of them wait: a daemon works off a little of a large store and of a small one.

What was worked off is submitted again before the next round, so that each store is as large as it is said to be.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping, Sequence

from queuectl.domain.lifecycle import FINAL
from queuectl.domain.priority import DEFAULT
from queuectl.domain.task import ArticleTask
from queuectl.operations.adding_up import add_up
from queuectl.store import counters
from queuectl.store.database import Database
from tests.bench.expense import NOTHING, Expense, till
from tests.bench.figures import Bound, Figure, figure, ratio
from tests.bench.stage import KINDS, SQLITE, Place, Stage, urls

_BOUND = Bound(1.2)
_BATCH = 100_000
_PATIENCE = 180
_REST_SECONDS = 1.0  # in which the daemon starts its children


def run(stage: Stage) -> list[Figure]:
    """Work off a part of each store in turn, round after round, for one kind of installation after another."""
    figures: list[Figure] = []
    for kind in KINDS:
        expenses: dict[int, list[Expense]] = {size: [] for size in _sizes(stage)}
        with contextlib.ExitStack() as places:
            stores = {size: places.enter_context(stage.place(kind)) for size in expenses}
            for _ in stage.rounds(f"backlog, {kind}"):
                for size, each in _in_turn(stage, stores).items():
                    expenses[size].append(each)
        figures += _figures(kind, expenses)
    return figures


def _in_turn(stage: Stage, stores: Mapping[int, Place]) -> dict[int, Expense]:
    """Return what a part of each store has cost; at full length it is three parts, one of each store after another."""
    sums = dict.fromkeys(stores, NOTHING)
    for _ in range(3 if stage.long else 1):
        for size, place in stores.items():
            _fill(stage, place, size)
            sums[size] += _work_off(stage, place)
    return sums


def _sizes(stage: Stage) -> Sequence[int]:
    if stage.quick:
        return 2_000, 5_000, 10_000
    return 10_000, 100_000, 1_000_000, *((10_000_000,) if stage.long else ())


def _fill(stage: Stage, place: Place, size: int) -> None:
    """Submit what is wanting until so many tasks wait, and let the installation come to rest."""
    database = Database(place.settings.database_url)
    with place.manager() as manager, contextlib.closing(database):
        present, waiting = _counts(database)
        wanting = size - waiting
        for first in range(present, present + wanting, _BATCH):
            stage.say(f"storing {size:,} tasks in {place.kind}: {first - present:,}")
            addresses = urls(min(_BATCH, present + wanting - first), first=first)
            manager.submit_batch(ArticleTask(url, handler="noop") for url in addresses)
        while add_up(database, place.settings):
            pass
    stage.settle(place)


def _counts(database: Database) -> tuple[int, int]:
    """Return how many tasks there are, and how many of them have not ended."""
    with database.reading() as transaction:
        counts = counters.read(transaction)
    waiting = sum(tasks for (_, state), tasks in counts.items() if state not in FINAL)
    return sum(counts.values()), waiting


def _work_off(stage: Stage, place: Place) -> Expense:
    """Let a daemon that has come up work for a while; the first moments do not count."""
    before, tasks = stage.size(500, 100), stage.size(7_000, 1_000)
    with place.manager() as manager:
        manager.pause_queue(DEFAULT.queue)
        with till(stage, place) as made:
            time.sleep(_REST_SECONDS)
            manager.resume_queue(DEFAULT.queue)
            made.wait_for(before, within=_PATIENCE)
            made.begin()
            made.wait_for(before + tasks, within=_PATIENCE)
            return made.expense()


def _figures(kind: str, expenses: dict[int, list[Expense]]) -> list[Figure]:
    (few, base), *larger = expenses.items()
    server = "" if kind == SQLITE else " and server"
    figures = []
    for size, each in expenses.items():
        figures += [
            figure(f"{kind}: {size:,} waiting", [one.rate for one in each], "tasks/s"),
            figure(f"{kind}: the same, the daemon a task", [one.daemon_micros for one in each], "µs"),
        ]
        if server:
            figures.append(
                figure(f"{kind}: the same, the server a task", [one.server_micros for one in each], "µs")
            )
    for size, each in larger:
        what = f"{kind}: a task of {size:,} against one of {few:,}"
        figures += [
            ratio(what, [one.apiece for one in each], [one.apiece for one in base], _BOUND),
            ratio(
                f"{what}, daemon{server}",
                [one.processor_micros for one in each],
                [one.processor_micros for one in base],
                _BOUND,
            ),
        ]
    return figures
