"""What all deliveries to somewhere else share: when a failed one is repeated, and how an address is shown."""

from __future__ import annotations

from urllib.parse import urlsplit

FIRST_PAUSE_MS, LONGEST_PAUSE_MS = 30_000, 3_600_000
"""A failed delivery is repeated after half a minute, then after twice as long each time, at most after an hour."""


def pause_ms(tries: int, asked: float | None = None) -> int:
    """Return how long to wait after so many failed tries, in milliseconds; not less than the receiver ``asked`` (s)."""
    return max(min(FIRST_PAUSE_MS << min(tries - 1, 20), LONGEST_PAUSE_MS), round((asked or 0.0) * 1_000))


def shown_address(address: str) -> str:
    """Return an address as it may be shown: only scheme and host, since what follows is often a secret."""
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.hostname}/…"
