"""A daemon whose wall clock is ahead by as many seconds as the first word says, or behind; it takes all other words.

Libfaketime would do this from outside, but it fails every absolute sleep on the monotonic clock, which Python's are.
"""

from __future__ import annotations

import sys

from queuectl import clock


def main() -> None:
    """Put the one wall clock wrong before anything has taken it, and be a daemon."""
    ahead_ms, right = int(sys.argv.pop(1)) * 1000, clock.now_ms
    clock.now_ms = lambda: right() + ahead_ms
    from queuectl_daemon.__main__ import main as daemon

    daemon()


if __name__ == "__main__":
    main()
