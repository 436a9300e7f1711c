"""How soon after its claim a run begins on this machine, and so how much time a limited start gets."""

from __future__ import annotations

import math

from queuectl.domain.admission import QueueRules

_LONGEST_GUARD_MS = 10_000
_ALLOWANCE = 4
"""A start gets this many times what starts have needed lately: half of it to begin, half to reach its handler."""

_FORGETTING = 0.9
_FIRST_GUESS_SECONDS = 0.01


class Punctuality:
    """The guard of limited starts, which grows where a slow disk or a busy machine delays them."""

    def __init__(self) -> None:
        self._delay = _FIRST_GUESS_SECONDS

    def note(self, seconds: float) -> None:
        """Take in how long after its claim a run began, or would have begun."""
        self._delay = max(seconds, self._delay * _FORGETTING)

    def guard_ms(self, rule: QueueRules) -> int | None:
        """Return how long after its claim a start may happen, in milliseconds; None where nobody minds."""
        if rule.start_guard_ms is None:
            return None
        needed = math.ceil(self._delay * 1000 * _ALLOWANCE)
        return max(rule.start_guard_ms, min(needed, _LONGEST_GUARD_MS))
