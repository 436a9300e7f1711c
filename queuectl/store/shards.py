"""To which rows of the counts a writer adds: PostgreSQL's writers spread over many, so that they rarely meet.

Each version of a row that has been replaced is passed over by whoever looks for it, until the server may remove it,
which it may not while anybody holds an old snapshot. So the counts of queues, which every tick changes, go to other
rows with each transaction.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator

WRITERS = 16
"""The shards of which each writer has one; behind them come those of callers who may hold on to theirs for long."""

CALLERS = 64
_TURNS = range(WRITERS + CALLERS + WRITERS, WRITERS + CALLERS + WRITERS + 64)


def of_writer(engine: str) -> int:
    """Return a writer's own shard; SQLite has one writer at a time, and one shard."""
    return 0 if engine == "sqlite" else random.randrange(WRITERS)


def in_turn(engine: str) -> Iterator[int]:
    """Yield the shards of a writer's transactions one after the other, for ever."""
    if engine == "sqlite":
        return itertools.repeat(0)
    return itertools.islice(itertools.cycle(_TURNS), random.randrange(len(_TURNS)), None)
