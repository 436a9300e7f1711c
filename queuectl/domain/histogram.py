"""How long things took: counts in fixed logarithmic buckets, which add up over any time and any number of nodes.

Sixteen buckets for each doubling of a time. A time in milliseconds belongs to the first bucket whose upper bound,
2 ** (number / 16), it does not exceed. A bucket is told by the point that is as far from its lower as from its upper
bound in proportion, so a quantile is off by at most (g - 1) / (g + 1) of itself with g = 2 ** (1/16): 2.2 per cent.
The arithmetic is that of DDSketch (Masson, Rim, Lee: "DDSketch: a fast and fully-mergeable quantile sketch with
relative-error guarantees", VLDB 2019). The sum and the longest time are kept beside the buckets and are exact.
"""

from __future__ import annotations

import functools
import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

PER_DOUBLING = 16
"""Buckets for each doubling of a time."""

_GROWTH = math.exp2(1 / PER_DOUBLING)

RELATIVE_ERROR = (_GROWTH - 1) / (_GROWTH + 1)
"""By so large a part of itself a quantile may be off."""


@functools.lru_cache(maxsize=8192)
def bucket_of(ms: int) -> int:
    """Return the number of the bucket of a time in milliseconds; all up to 1 ms share the first, 0."""
    return math.ceil(PER_DOUBLING * math.log2(ms)) if ms > 1 else 0


def upper_bound(bucket: int) -> float:
    """Return the longest time of a bucket in milliseconds."""
    return math.exp2(bucket / PER_DOUBLING)


def typical(bucket: int) -> float:
    """Return the time in milliseconds that stands for all of a bucket."""
    return upper_bound(bucket) * 2 / (1 + _GROWTH)


@dataclass(frozen=True, slots=True)
class Histogram:
    """A distribution of times: how many by bucket, all together, and the longest, in milliseconds."""

    buckets: Mapping[int, int] = field(default_factory=dict)
    total_ms: int = 0
    longest_ms: int = 0

    @property
    def count(self) -> int:
        """How many times were measured."""
        return sum(self.buckets.values())

    @property
    def mean_ms(self) -> float | None:
        """The mean, which is exact; None where nothing was measured."""
        count = self.count
        return self.total_ms / count if count else None

    def quantile_ms(self, fraction: float) -> float | None:
        """Return the time that this fraction of all does not exceed, within ``RELATIVE_ERROR``.

        None where nothing was measured. The longest time is exact, and no quantile is above it.
        """
        count = self.count
        if not count:
            return None
        if fraction >= 1:
            return float(self.longest_ms)
        rank = math.ceil(fraction * count)
        seen = 0
        for bucket in sorted(self.buckets):
            seen += self.buckets[bucket]
            if seen >= rank:
                return min(typical(bucket), float(self.longest_ms))
        return float(self.longest_ms)


class Gathering:
    """A distribution that grows: times and other distributions are added to it."""

    __slots__ = ("buckets", "longest_ms", "total_ms")

    def __init__(self) -> None:
        self.buckets: dict[int, int] = {}
        self.total_ms = 0
        self.longest_ms = 0

    def add(self, ms: int) -> None:
        """Count one time; clocks of two machines may make it negative, which counts as none."""
        if ms < 0:
            ms = 0
        bucket = bucket_of(ms)
        buckets = self.buckets
        buckets[bucket] = buckets.get(bucket, 0) + 1
        self.total_ms += ms
        if ms > self.longest_ms:
            self.longest_ms = ms

    def add_all(self, times: Sequence[int]) -> None:
        """Count some times, at least one."""
        if len(times) == 1:
            self.add(times[0])
            return
        counts = Counter(times)  # there are far fewer different times than runs
        for ms, count in counts.items():
            bucket = bucket_of(max(0, ms))
            self.buckets[bucket] = self.buckets.get(bucket, 0) + count
            self.total_ms += max(0, ms) * count
        self.longest_ms = max(self.longest_ms, *counts)

    def merge(self, other: Gathering | Histogram) -> None:
        """Add all of another distribution."""
        if self.buckets:
            for bucket, count in other.buckets.items():
                self.buckets[bucket] = self.buckets.get(bucket, 0) + count
        else:
            self.buckets = dict(other.buckets)
        self.total_ms += other.total_ms
        self.longest_ms = max(self.longest_ms, other.longest_ms)

    def merge_flat(self, numbers: Sequence[int], total_ms: int, longest_ms: int) -> None:
        """Add a distribution whose buckets come from ``flat``."""
        pairs = iter(numbers)
        if self.buckets:
            for bucket, count in zip(pairs, pairs, strict=True):
                self.buckets[bucket] = self.buckets.get(bucket, 0) + count
        else:  # as with most rows that are read, and several times as fast
            self.buckets = dict(zip(pairs, pairs, strict=True))
        self.total_ms += total_ms
        self.longest_ms = max(self.longest_ms, longest_ms)

    def merge_stored(self, text: str, total_ms: int, longest_ms: int) -> None:
        """Add a distribution as it is stored, its buckets as text that ``stored`` has made."""
        self.merge_flat(json.loads(text), total_ms, longest_ms)

    def stored(self) -> str:
        """Return the buckets as text: a JSON array of each bucket's number and count in turn."""
        return json.dumps(self.flat(), separators=(",", ":"))

    def flat(self) -> list[int]:
        """Return each bucket's number and count in turn."""
        pairs = self.buckets.items()
        return [number for pair in (sorted(pairs) if len(pairs) > 1 else pairs) for number in pair]

    def histogram(self) -> Histogram:
        """Return the distribution as it is now."""
        return Histogram(dict(self.buckets), self.total_ms, self.longest_ms)
