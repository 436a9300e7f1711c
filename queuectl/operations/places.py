"""The places that queues with a largest size still have, kept for one submission until its end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

from queuectl.errors import QueueFullError, RefusedError
from queuectl.store import queues
from queuectl.store.database import Transaction
from queuectl.store.submission import NewTask


class Places:
    """Locks the queues that have a largest size for this transaction, so that no other submission comes in between.

    Raises:
        RefusedError: the transaction cannot see what others have put into such a queue since it began.
    """

    def __init__(self, transaction: Transaction, names: Collection[str]) -> None:
        self._bounded = queues.lock_bounded(transaction, names) if names else {}
        self._taken: Counter[str] = Counter()
        if self._bounded and transaction.database.sees_the_past:
            raise RefusedError(
                f"{min(self._bounded)} has a largest size, and this transaction cannot see how full it is by now",
                hint="use the isolation level READ COMMITTED",
            )

    def take(self, rows: Sequence[NewTask]) -> None:
        """Take a place for each row.

        Raises:
            QueueFullError: there are not so many; everything that this transaction did is to be undone.
        """
        if not self._bounded:
            return
        self._taken.update(row.queue for row in rows)
        for name, (waiting, limit) in self._bounded.items():
            if waiting + self._taken[name] > limit:
                raise _full(name, waiting, limit)


def _full(queue: str, waiting: int, limit: int) -> QueueFullError:
    room = max(0, limit - waiting)
    state = f"has room for {room:,} more" if room else "is full"
    return QueueFullError(
        f"{queue} {state}: {waiting:,} of at most {limit:,} tasks wait there; nothing was submitted",
        hint=f"submit fewer, or allow more with: queuectl queue set {queue.removesuffix('_priority')} max_size=…",
    )
