"""A daemon that has no memory left once: when it has handed the first of the claimed tasks to its workers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from queuectl.domain.task import Claimed
from queuectl_daemon.broker import ClaimedBroker


def main() -> None:
    """Let the first time fail at which there are several tasks, and be a daemon."""
    hand_over = ClaimedBroker.hand_over
    has_failed = False

    def hand_over_one(broker: ClaimedBroker, works: Iterable[Claimed]) -> None:
        nonlocal has_failed
        these = list(works)
        if has_failed or len(these) < 2:
            hand_over(broker, these)
            return
        has_failed = True
        hand_over(broker, these[:1])
        raise MemoryError

    failing: Any = ClaimedBroker
    failing.hand_over = hand_over_one
    from queuectl_daemon.__main__ import main as daemon

    daemon()


if __name__ == "__main__":
    main()
