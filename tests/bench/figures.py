"""What a measure yields: figures with their samples, and the bounds that some of them are held to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any


@dataclass(frozen=True, slots=True)
class Bound:
    """The worst value that is still good."""

    limit: float
    at_least: bool = False

    def holds(self, value: float) -> bool:
        """Tell whether a value is good enough."""
        return value >= self.limit if self.at_least else value <= self.limit

    def missed_by(self, value: float) -> float:
        """Return by which share of the limit a value misses it."""
        return abs(value / self.limit - 1)


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured quantity: a sample from each round, in ``unit``, and the bound that its median is held to."""

    what: str
    samples: tuple[float, ...]
    unit: str
    bound: Bound | None = None

    @property
    def value(self) -> float:
        """The median of the samples."""
        return median(self.samples)

    @property
    def verdict(self) -> str:
        """Whether the bound is held; nothing where there is none."""
        if self.bound is None:
            return ""
        if self.bound.holds(self.value):
            return "held"
        return f"missed by {self.bound.missed_by(self.value):.0%}"

    def as_json(self) -> dict[str, Any]:
        """Return the figure for the results file."""
        return asdict(self) | {"value": self.value, "verdict": self.verdict}


def figure(what: str, samples: Sequence[float], unit: str, bound: Bound | None = None) -> Figure:
    """Return a figure from any sequence of samples."""
    return Figure(what, tuple(samples), unit, bound)


def ratio(what: str, tops: Sequence[float], bottoms: Sequence[float], bound: Bound | None = None) -> Figure:
    """Return how many times larger ``tops`` are than ``bottoms``, round by round.

    Two samples of one round were taken one after the other, so that what slowed the machine down in
    that round slowed both.
    """
    return figure(what, [top / bottom for top, bottom in zip(tops, bottoms, strict=True)], "x", bound)


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value that this share of all values does not exceed."""
    ordered = sorted(values)
    return ordered[max(0, min(len(ordered) - 1, round(share * len(ordered)) - 1))]
