"""Whether taking tasks gets slower the more of them wait: 100 at a time, of a million and of 10,000.

Once as the pump takes them from a queue without limits, and once as it picks them while a host is left alone.
"""

from __future__ import annotations

import contextlib
import time

from queuectl.clock import now_ms
from queuectl.store import ready, tasks
from queuectl.store.database import Database
from tests.bench.figures import Bound, Figure, figure, percentile, ratio
from tests.bench.stage import ENGINES, Place, Stage

_QUEUE = "medium_priority"
_GROUP = 100
_TAKES = 15
_ENOUGH = 25  # takes of each kind that even the small store has tasks for
_BOUND = Bound(1.5)
_HELD = ["site-7.example"]


def run(stage: Stage) -> list[Figure]:
    """Take from the large and the small store of each engine in turn."""
    sizes = stage.size(1_000_000, 20_000), 10_000
    figures: list[Figure] = []
    for kind in ENGINES:
        many, few = (_Taker(stage.stocked(kind, size)) for size in sizes)
        times: dict[tuple[_Taker, bool], list[float]] = {
            (taker, picking): [] for taker in (few, many) for picking in (False, True)
        }
        # The small store must last to the last round.
        takes = max(1, min(_TAKES, _ENOUGH // stage.round_count - 1))
        with contextlib.closing(many), contextlib.closing(few):
            for _ in stage.rounds(f"take, {kind}"):
                for taker, picking in times:
                    times[taker, picking].append(taker.median_milliseconds(takes, picking=picking))
        for picking, how in ((False, kind), (True, f"{kind}, past a held host")):
            slow, fast = times[many, picking], times[few, picking]
            figures += [
                figure(f"{how}: {_GROUP} of {sizes[0]:,}", slow, "ms"),
                figure(f"{how}: {_GROUP} of {sizes[1]:,}", fast, "ms"),
                ratio(f"{how}: many waiting against few", slow, fast, _BOUND),
            ]
    return figures


class _Taker:
    """Takes tasks as the pump does: each time from the place where the last ones were."""

    def __init__(self, place: Place) -> None:
        self._database = Database(place.settings.database_url)
        self._after = tasks.START

    def close(self) -> None:
        """Close the connection."""
        self._database.close()

    def median_milliseconds(self, takes: int, *, picking: bool) -> float:
        """Return what taking and committing a group costs, after one that warms up."""
        self._take(picking=picking)
        return percentile([self._take(picking=picking) for _ in range(takes)], 0.5)

    def _take(self, *, picking: bool) -> float:
        start = time.perf_counter()
        with self._database.writing() as transaction:
            only = None
            if picking:
                found = ready.candidates(transaction, _QUEUE, _GROUP, after=self._after, without=_HELD)
                only = [each.id for each in found]
            taken, self._after = tasks.start(
                transaction, _QUEUE, _GROUP, node="bench", now=now_ms(), after=self._after, only=only
            )
        took = time.perf_counter() - start
        assert len(taken) == _GROUP, f"only {len(taken)} tasks were left to take"
        return took * 1000
