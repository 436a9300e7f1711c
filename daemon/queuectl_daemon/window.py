"""How many tasks a daemon may hold that have not started: enough to stay busy, few enough to stay fair.

Pure arithmetic on counts; the pump keeps the counts.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

from queuectl.clock import monotonic
from queuectl.domain.priority import QUEUES

LONGEST = 512
"""No daemon ever holds more un-started tasks than this on one level."""

_AHEAD_SECONDS = 0.015
"""Claims run ahead of the workers by about the time between two ticks, so that no worker waits for one."""

_AHEAD_LISTED_SECONDS = 0.03
"""The same where a task also has to pass through Redis on its way, which takes a second tick."""

_LISTED_SECONDS = 0.05
"""Messages wait in the shared lists for about this long."""

_SHORT_SECONDS = 0.05
"""Tasks that take longer than this are claimed only for a free worker: a claimed task is a running task."""


_SMOOTHED_SECONDS = 0.1
_LEAST_SMOOTHED_SECONDS = 0.02
"""The pace of work that has just begun is taken from what there is of it, but not from less than this."""


class Pace:
    """How fast runs end and how long they take, smoothed over the last few hundred milliseconds."""

    def __init__(self) -> None:
        self.per_second = 0.0
        self.mean_seconds: float | None = None
        self._seen_seconds = 0.0
        self._ended: deque[tuple[float, int]] = deque()

    def note(self, ended: int, seconds_of_work: float, elapsed: float) -> None:
        """Take in one tick's endings: their number, their run times in total, the time since the last tick."""
        if elapsed <= 0:
            return
        if ended:
            self._ended.append((monotonic(), ended))
        self._seen_seconds = min(_SMOOTHED_SECONDS, self._seen_seconds + elapsed)
        weight = min(1.0, elapsed / max(_LEAST_SMOOTHED_SECONDS, self._seen_seconds))
        self.per_second += weight * (ended / elapsed - self.per_second)
        if not self.per_second:
            self._seen_seconds = 0.0
        if ended:
            mean = seconds_of_work / ended
            share = min(1.0, ended / 16)
            self.mean_seconds = (
                mean if self.mean_seconds is None else self.mean_seconds + share * (mean - self.mean_seconds)
            )

    def per_minute(self) -> float:
        """Return how many runs ended in the last minute."""
        past = monotonic() - 60
        while self._ended and self._ended[0][0] < past:
            self._ended.popleft()
        return float(sum(ended for _, ended in self._ended))

    def claims_ahead(self, *, listed: bool = False) -> int:
        """Return how many tasks to claim beyond the free workers; ``listed`` if they come through Redis."""
        if self.mean_seconds is None or self.mean_seconds > _SHORT_SECONDS:
            return 0
        return min(LONGEST, round(self.per_second * (_AHEAD_LISTED_SECONDS if listed else _AHEAD_SECONDS)))

    def listed(self, free: int) -> int:
        """Return how many messages to keep in the shared lists, when ``free`` workers have nothing to do.

        When every worker is busy with a long task, none: the tasks stay where they can be put in order.
        """
        if self.mean_seconds is None or self.mean_seconds > _SHORT_SECONDS:
            return free
        return max(free, min(LONGEST, round(self.per_second * _LISTED_SECONDS)))


def room(capacity: int, held: Mapping[str, int], *, in_turns: bool = False) -> dict[str, int]:
    """Return how many more tasks of each queue may be held.

    A queue competes only with those at or above its level, so that a late urgent task finds room
    even when less urgent ones fill the window. Where queues take turns by the ranks of their tasks,
    no level goes before another, and all compete with all.
    """
    if in_turns:
        return dict.fromkeys(QUEUES, max(0, capacity - sum(held.values())))
    rooms: dict[str, int] = {}
    taken = 0
    for queue in QUEUES:
        taken += held.get(queue, 0)
        rooms[queue] = max(0, capacity - taken)
    return rooms
