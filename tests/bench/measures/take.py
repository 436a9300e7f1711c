"""Whether taking tasks gets slower the more of them wait: 100 at a time, of a million and of 10,000."""

from __future__ import annotations

import contextlib
import time

from queuectl.clock import now_ms
from queuectl.store import tasks
from queuectl.store.database import Database
from tests.bench.figures import Bound, Figure, figure, percentile, ratio
from tests.bench.stage import ENGINES, Place, Stage

_QUEUE = "medium_priority"
_GROUP = 100
_TAKES = 15
_ENOUGH = 50  # takes that even the small store has tasks for
_BOUND = Bound(1.5)


def run(stage: Stage) -> list[Figure]:
    """Take from the large and the small store of each engine in turn."""
    sizes = stage.size(1_000_000, 20_000), stage.size(10_000, 5_000)
    figures: list[Figure] = []
    for kind in ENGINES:
        many, few = (_Taker(stage.stocked(kind, size)) for size in sizes)
        times: dict[_Taker, list[float]] = {many: [], few: []}
        # The small store must last to the last round.
        takes = max(1, min(_TAKES, _ENOUGH // stage.round_count - 1))
        with contextlib.closing(many), contextlib.closing(few):
            for _ in stage.rounds(f"take, {kind}"):
                for taker in (few, many):
                    times[taker].append(taker.median_milliseconds(takes))
        figures += [
            figure(f"{kind}: {_GROUP} of {sizes[0]:,}", times[many], "ms"),
            figure(f"{kind}: {_GROUP} of {sizes[1]:,}", times[few], "ms"),
            ratio(f"{kind}: many waiting against few", times[many], times[few], _BOUND),
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

    def median_milliseconds(self, takes: int) -> float:
        """Return what taking and committing a group costs, after one that warms up."""
        self._take()
        return percentile([self._take() for _ in range(takes)], 0.5)

    def _take(self) -> float:
        start = time.perf_counter()
        with self._database.writing() as transaction:
            taken, self._after = tasks.start(
                transaction, _QUEUE, _GROUP, node="bench", now=now_ms(), after=self._after
            )
        took = time.perf_counter() - start
        assert len(taken) == _GROUP, f"only {len(taken)} tasks were left to take"
        return took * 1000
