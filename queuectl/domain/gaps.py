"""Numbers that are given out in order and become visible in another: which ones may still be to come."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

PATIENCE_MS = 600_000
"""A number that has not come after this time never will: its transaction was undone."""

_MOST = 200


class Gaps:
    """The numbers up to ``top`` that have not been seen, as ranges; times are milliseconds of any clock."""

    def __init__(self, top: int = 0) -> None:
        self.top = top
        self._open: list[tuple[int, int, int]] = []

    @property
    def ranges(self) -> list[tuple[int, int]]:
        """What may still come up to the top, as pairs of the first and the last number."""
        return [(first, last) for first, last, _ in self._open]

    def take(self, numbers: Sequence[int], now: int) -> None:
        """Note numbers that have come, in order."""
        self._open = [each for each in self._open if now - each[2] < PATIENCE_MS]
        fresh = [number for number in numbers if number > self.top]
        late = [number for number in numbers if number <= self.top]
        if late:
            self._fill(late)
        before = self.top
        for number in fresh:
            if number > before + 1:
                self._open.append((before + 1, number - 1, now))
            before = number
        self.top = before
        del self._open[:-_MOST]

    def _fill(self, numbers: Iterable[int]) -> None:
        wanted = iter(numbers)
        number = next(wanted, None)
        left: list[tuple[int, int, int]] = []
        for first, last, since in sorted(self._open):
            while number is not None and number <= last:
                if number > first:
                    left.append((first, number - 1, since))
                first = max(first, number + 1)
                number = next(wanted, None)
            if first <= last:
                left.append((first, last, since))
        self._open = sorted(left, key=lambda each: each[2])
