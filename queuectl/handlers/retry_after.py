"""What a server asks for with a Retry-After header (RFC 9110, section 10.2.3)."""

from __future__ import annotations

import re
from email.utils import parsedate_to_datetime

from queuectl.clock import now_ms
from queuectl.domain.retry import RETRY_AFTER_LIMIT

_SECONDS = re.compile(r"[0-9]{1,12}")


def wait_asked_for(retry_after: str) -> float | None:
    """Return the seconds that a Retry-After header asks to wait, at most a day; None for nonsense."""
    retry_after = retry_after.strip()
    if _SECONDS.fullmatch(retry_after):
        return min(float(retry_after), RETRY_AFTER_LIMIT)
    try:
        seconds = parsedate_to_datetime(retry_after).timestamp() - now_ms() / 1000
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
    return min(max(seconds, 0.0), RETRY_AFTER_LIMIT)
