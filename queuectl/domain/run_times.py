"""How long runs take, learnt from those that ended last: a mean for capacities, quantiles for forecasts."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Run:
    """How long a task of a queue and handler ran, in milliseconds."""

    queue: str
    handler: str
    took: int


class RunTimes:
    """Recorded run times by queue and handler. Where one has too few, the nearest that has more stands in for it."""

    FEWEST = 5
    """With fewer runs than these nothing is said of a queue and handler alone."""

    def __init__(self, runs: Iterable[Run], *, assumed_ms: int) -> None:
        self._assumed = assumed_ms
        self._took: dict[tuple[str, str], list[int]] = defaultdict(list)
        for run in runs:
            for key in ((run.queue, run.handler), ("", run.handler), (run.queue, ""), ("", "")):
                self._took[key].append(run.took)
        for took in self._took.values():
            took.sort()

    @property
    def recorded(self) -> int:
        """The number of runs that were learnt from; with none everything is assumed."""
        return len(self._took.get(("", ""), ()))

    def mean_ms(self, queue: str = "") -> int | None:
        """Return the mean run time of a queue, or of all; None if nothing is recorded."""
        took = self._took.get((queue, "")) or self._took.get(("", ""))
        return max(1, round(sum(took) / len(took))) if took else None

    def at_quantile(self, queue: str, handler: str, chance: float, *, beyond: int = 0) -> int:
        """Return a run time as it may come: the recorded one at the share ``chance`` (0 to 1) from the shortest on.

        For a run that has lasted ``beyond`` milliseconds it is one of those that lasted longer; with
        none of those, it may end at any moment.
        """
        took = self._known(queue, handler)
        if beyond:
            took = took[bisect_right(took, beyond) :] or [beyond]
        return took[min(len(took) - 1, int(chance * len(took)))]

    def _known(self, queue: str, handler: str) -> list[int]:
        for key in ((queue, handler), ("", handler), (queue, "")):
            took = self._took.get(key, [])
            if len(took) >= self.FEWEST:
                return took
        return self._took.get(("", "")) or [self._assumed]
