"""Judge the starts and ends that an outside witness saw against limits: the check of every window there is."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence

from tests.support.sightings import START, Sighting


def moments(starts: Iterable[Sighting]) -> list[float]:
    """Return when runs started, in seconds, in order."""
    return sorted(each.at / 1e9 for each in starts)


def shortest_span(starts: Sequence[float], count: int) -> float:
    """Return the shortest time in which ``count`` starts and one more happened; infinite if there are not so many."""
    ordered = sorted(starts)
    return min(
        (later - first for first, later in zip(ordered, ordered[count:], strict=False)), default=float("inf")
    )


def most_at_once(sightings: Iterable[Sighting]) -> int:
    """Return how many runs were under way together at the worst moment."""
    steps = sorted((each.at, 1 if each.event == START else -1) for each in sightings)
    return max(itertools.accumulate(step for _, step in steps), default=0)
