"""What all deliveries to somewhere else share: when a failed one is repeated, and how an address is shown."""

from __future__ import annotations

from urllib.parse import urlsplit

FIRST_PAUSE_MS, LONGEST_PAUSE_MS = 30_000, 3_600_000
"""A failed delivery is repeated after half a minute, then after twice as long each time, at most after an hour."""


def pause_ms(tries: int) -> int:
    """Return how long to wait after so many failed tries, in milliseconds."""
    return min(FIRST_PAUSE_MS << min(tries - 1, 20), LONGEST_PAUSE_MS)


def shown_address(address: str) -> str:
    """Return an address as it may be shown: only scheme and host, since what follows is often a secret."""
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.hostname}/…"
