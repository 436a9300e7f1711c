"""How a tick fills the workers: by claims of its own, by the lists that all nodes share, or by both."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence, Sized
from dataclasses import dataclass

from queuectl.domain.task import Claimed
from queuectl_daemon.capacity import Capacity
from queuectl_daemon.taking import Taking
from queuectl_daemon.transport import RedisTransport


@dataclass(slots=True)
class Filling:
    """One tick's way to more work, when ``claimed`` came by messages and ``fetched`` ones wait to be claimed."""

    taking: Taking
    capacity: Capacity
    claimed: Sequence[Claimed]
    fetched: Sized
    has_lists: bool

    def fill(self, lists: RedisTransport | None, *, looking: bool) -> None:
        """Claim tasks for this node's workers, or dispatch them to the lists that all nodes share.

        Where there are lists, a look claims directly what has none of its level or above at work:
        on an idle daemon, or before less urgent tasks, it is spared the way through Redis and back.
        Queues with limits are always claimed directly, after what is listed of their level or above.
        So is everything where waiting counts as well as urgency: the lists know levels and not ranks,
        and a message would starve in them behind more urgent ones.
        """
        taking, view = self.taking, self.taking.view
        taking.kinds.count(self.claimed)
        if lists is None or view.aging:
            taking.start(self._rooms(), self._rooms(only_free=True))
            return
        if looking:
            unknown = not lists.withdraw() or bool(self.fetched)
            # What is on its way here cannot be of a level of which nothing is listed. It needs room as well,
            # though, and only where claims run ahead of the workers is there enough for both.
            if not unknown or self.capacity.runs_ahead:
                rooms = self.capacity.to_claim(self.claimed, 0, view.paused, listed=True)
                rooms = self.capacity.untouched(rooms, lists.listed)
                taking.start(rooms | dict.fromkeys(view.limited, 0), rooms)
        taking.dispatch(self.capacity.to_dispatch(lists.listed, view.paused))
        if taking.waits_for_limits:
            self._start_limited(lists)

    def _start_limited(self, lists: RedisTransport) -> None:
        if not lists.withdraw():
            self.taking.has_more = True  # the workers may be getting messages at this very moment
            return
        listed = Counter(lists.listed) + Counter(message.queue for message in self.taking.dispatched)
        limited = self.taking.view.limited
        rooms, free = self._rooms(before=listed), self._rooms(before=listed, only_free=True)
        self.taking.start({queue: rooms[queue] if queue in limited else 0 for queue in rooms}, free)

    def _rooms(self, *, before: Mapping[str, int] | None = None, only_free: bool = False) -> dict[str, int]:
        view = self.taking.view
        return self.capacity.to_claim(
            [*self.claimed, *self.taking.claimed],
            len(self.fetched),
            view.paused,
            listed=self.has_lists,
            before=before,
            only_free=only_free,
        )
