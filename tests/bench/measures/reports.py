"""How long a report on a month with a million tasks takes as a whole process, as a page and as a PDF."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from random import Random

from queuectl.domain.ending import Ending
from queuectl.domain.lifecycle import Move
from queuectl.domain.priority import LEVELS
from queuectl.domain.task import Claimed
from queuectl.operations.adding_up import add_up
from queuectl.operations.opening import open_database
from queuectl.store import articles, tasks
from queuectl.store.database import Database
from tests.bench.figures import Bound, Figure, figure
from tests.bench.stage import ENGINES, Place, Stage
from tests.support.factories import NODE, an_article, ending, finish, new_task, submit_copies

_YEAR, _MONTH = 2026, 1
_BEGIN = round(datetime(_YEAR, _MONTH, 1, tzinfo=UTC).timestamp() * 1000)
_LENGTH_MS = 31 * 86_400_000
_GROUP = 2_000
_HOSTS = 500
_ERRORS = ("HTTP 503: Service Unavailable", "no article text was found", "connection reset by peer")
_BOUND = Bound(5_000)


def run(stage: Stage) -> list[Figure]:
    """Measure each form on each engine, three times a round, after one run that leaves the bytecode behind."""
    stored = stage.size(1_000_000, 20_000)
    with contextlib.ExitStack() as places:
        homes = {kind: _filled(stage, places.enter_context(stage.place(kind)), stored) for kind in ENGINES}
        commands = {
            f"{kind}: report on a month with {stored:,} tasks, {form}": _command(home, form)
            for kind, home in homes.items()
            for form in ("html", "pdf")
        }
        took: dict[str, list[float]] = {name: [] for name in commands}
        for command in commands.values():
            _milliseconds(command)
        for _ in stage.rounds("reports"):
            for name, command in commands.items():
                took[name].extend(_milliseconds(command) for _ in range(stage.size(3, 1)))
    return [figure(name, took[name], "ms", _BOUND) for name in commands]


def _command(home: Path, form: str) -> Sequence[str]:
    words = ("report", "monthly", "--year", str(_YEAR), "--month", str(_MONTH), "--format", form)
    return (
        sys.executable,
        "-m",
        "queuectl",
        "--home",
        str(home),
        *words,
        "--output",
        str(home / f"r.{form}"),
    )


def _filled(stage: Stage, place: Place, number: int) -> Path:
    """Let so many tasks come and end over the month, a tenth of them as articles, and return the home."""
    stage.say(f"letting {number:,} tasks pass through {place.kind}")
    database = open_database(place.settings)
    chance = Random(7)
    for first in range(0, number, _GROUP):
        _pass_through(database, chance, first, _BEGIN + round(first / number * _LENGTH_MS))
    while add_up(database, place.settings, 500):
        pass
    database.close()
    stage.settle(place)
    return place.home


def _pass_through(database: Database, chance: Random, first: int, at: int) -> None:
    level = LEVELS[first // _GROUP % len(LEVELS)]
    rows = [
        new_task(
            url=f"https://site-{number % _HOSTS}.example/articles/{number}",
            score=level.score,
            created_at=at,
            due_at=at,
        )
        for number in range(first, first + _GROUP)
    ]
    with database.writing() as transaction:
        submit_copies(transaction, rows)
        claimed, _ = tasks.start(
            transaction, level.queue, _GROUP, node=NODE, now=at + chance.randrange(60_000)
        )
        ended = list(_endings(claimed, chance))
        articles.save(transaction, [each for each in ended if each.article is not None])
        finish(transaction, ended)


def _endings(claimed: Sequence[Claimed], chance: Random) -> Iterator[Ending]:
    for work in claimed:
        at = work.started_at + round(chance.lognormvariate(6, 1))
        if work.id % 50 == 0:
            yield ending(work, Move.BURY, finished_at=at, error=_ERRORS[work.id // 50 % len(_ERRORS)])
        elif work.id % 10 == 0:
            article = an_article(
                url=work.url, title=f"第 {work.id} 篇文章", language="zh", markdown="文", html="文"
            )
            yield ending(work, Move.SUCCEED, finished_at=at, article=article)
        else:
            yield ending(work, Move.SUCCEED, finished_at=at)


def _milliseconds(command: Sequence[str]) -> float:
    start = time.perf_counter()
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=120, check=False)
    took = (time.perf_counter() - start) * 1000
    assert done.returncode == 0, f"{command} ended with {done.returncode}: {done.stderr.decode()[-1000:]}"
    return took
