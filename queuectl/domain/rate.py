"""Rate limits such as ``150/h``: how many starts a queue may have in any period of that length."""

from __future__ import annotations

import re
from dataclasses import dataclass

from queuectl.errors import InvalidInputError

_UNITS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_FORM = re.compile(r"([0-9]{1,7})/([a-z]+)")
_LONG = {"sec": "s", "second": "s", "min": "m", "minute": "m", "hour": "h", "day": "d"}


@dataclass(frozen=True, slots=True)
class RateLimit:
    """At most ``starts`` in every sliding window of ``period_ms`` milliseconds."""

    starts: int
    period_ms: int

    @property
    def grain_ms(self) -> int:
        """How finely starts are told apart in time: of one period about a thousand moments are kept."""
        return max(1, self.period_ms // 1000)

    def stamp(self, latest: int) -> int:
        """Return the moment under which starts are counted that begin at ``latest`` at the latest.

        It is never an earlier one, so that what is counted together leaves the window late, not early.
        """
        return -(-latest // self.grain_ms) * self.grain_ms

    def __str__(self) -> str:
        unit = next(name for name, length in _UNITS.items() if length == self.period_ms)
        return f"{self.starts}/{unit}"


def parse_rate(text: object) -> RateLimit | None:
    """Return the limit that a text such as ``150/h``, ``10/m`` or ``5/s`` means; None for ``none``.

    Raises:
        InvalidInputError: it has another form, or is zero.
    """
    words = text.strip().lower().replace(" ", "") if isinstance(text, str) else ""
    if text is None or words == "none":
        return None
    match = _FORM.fullmatch(words)
    unit = _LONG.get(match[2], match[2]) if match else ""
    if match is None or unit not in _UNITS or int(match[1]) == 0:
        raise InvalidInputError(
            f"the rate limit {text!r} is not a number of starts and a period",
            hint="write 5/s, 10/m, 150/h or 1000/d; none removes the limit, and queuectl queue pause stops a queue",
        )
    return RateLimit(int(match[1]), _UNITS[unit])
