"""How often somebody may try to log in: after a few failures each one more doubles the wait."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable

FREE_FAILURES = 5
_FIRST_SECONDS = 1.0
_LONGEST_SECONDS = 300.0
_FORGOTTEN_SECONDS = 900.0
_MOST_KEPT = 10_000


class Throttle:
    """Counts failures by address and by user; the times are those of a monotonic clock in seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._failures: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def wait(self, keys: Iterable[str]) -> float:
        """Return for how many seconds none of these may try, 0 if they may now."""
        return max((self._wait_of(key) for key in keys), default=0.0)

    def failed(self, keys: Iterable[str]) -> None:
        """Count a failure."""
        now = self._clock()
        for key in keys:
            count = self._count(key, now) + 1
            self._failures[key] = (count, now)
            self._failures.move_to_end(key)
        while len(self._failures) > _MOST_KEPT:
            self._failures.popitem(last=False)

    def succeeded(self, keys: Iterable[str]) -> None:
        """Forget the failures."""
        for key in keys:
            self._failures.pop(key, None)

    def _count(self, key: str, now: float) -> int:
        count, last = self._failures.get(key, (0, now))
        return 0 if now - last > _FORGOTTEN_SECONDS else count

    def _wait_of(self, key: str) -> float:
        now = self._clock()
        count = self._count(key, now)
        if count < FREE_FAILURES:
            return 0.0
        last = self._failures[key][1]
        pause = min(_LONGEST_SECONDS, _FIRST_SECONDS * 2.0 ** min(count - FREE_FAILURES, 20))
        return max(0.0, last + pause - now)
