"""How many more tasks of each queue this daemon may claim or dispatch at this moment."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from queuectl.domain.priority import QUEUES
from queuectl.domain.task import Claimed
from queuectl_daemon.flights import Flights
from queuectl_daemon.window import Pace, room


class Capacity:
    """The rooms of a daemon with so many workers; a paused queue never has any."""

    def __init__(self, flights: Flights, pace: Pace, workers: int, *, in_turns: bool = False) -> None:
        self._flights = flights
        self._pace = pace
        self._workers = workers
        self._in_turns = in_turns

    def to_claim(
        self,
        claimed: Sequence[Claimed],
        fetched: int,
        paused: Collection[str],
        *,
        listed: bool,
        before: Mapping[str, int] | None = None,
        only_free: bool = False,
    ) -> dict[str, int]:
        """Return the rooms for claims, when ``claimed`` are claimed already and ``fetched`` messages wait to be.

        ``listed`` says that messages come through Redis, and those that are ``before`` take their
        room first. For ``only_free`` workers no claim runs ahead.
        """
        held = self._flights.waiting().copy()
        held.update(before or {})
        for work in claimed:
            held[work.queue] += 1
        ahead = 0 if only_free else self._pace.claims_ahead(listed=listed)
        capacity = self._workers + ahead - self._flights.running_count() - fetched
        rooms = room(capacity, held, in_turns=self._in_turns)
        return rooms | dict.fromkeys(paused, 0)

    @property
    def runs_ahead(self) -> bool:
        """Whether claims that come through Redis run ahead of the workers."""
        return self._pace.claims_ahead(listed=True) > 0

    def untouched(self, rooms: Mapping[str, int], listed: Mapping[str, int]) -> dict[str, int]:
        """Return the rooms of the queues of which, and of those above which, nothing is listed or in hand."""
        busy = self._flights.waiting() + Counter(flight.work.queue for flight in self._flights.running())
        open_rooms = dict.fromkeys(rooms, 0)
        for queue in QUEUES:
            if listed[queue] or busy[queue]:
                break
            open_rooms[queue] = rooms[queue]
        return open_rooms

    def to_dispatch(self, listed: Mapping[str, int], paused: Collection[str]) -> dict[str, int]:
        """Return the rooms in the shared lists, which hold so many messages now."""
        free = max(0, self._workers - self._flights.running_count())
        # Nobody pops the messages of a paused queue, so they must not keep others from being sent.
        held = {**listed, **dict.fromkeys(paused, 0)}
        return room(self._pace.listed(free), held, in_turns=self._in_turns)
