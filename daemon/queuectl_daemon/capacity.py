"""How many more tasks of each queue and kind this daemon may claim or dispatch at this moment."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from queuectl.domain.priority import QUEUES
from queuectl.domain.task import Claimed
from queuectl_daemon.flights import Flights
from queuectl_daemon.kinds import NO_CAPS, KindRoom, Kinds
from queuectl_daemon.transport import RedisTransport
from queuectl_daemon.window import Pace, room


class Capacity:
    """The rooms of a daemon with so many ``workers``, which may be changed at any time; a paused queue has none."""

    def __init__(self, flights: Flights, workers: int, kinds: Kinds, *, in_turns: bool = False) -> None:
        self._flights = flights
        self._kinds = kinds
        self._in_turns = in_turns
        self.workers = workers
        self.pace = Pace()
        self._of_kinds = NO_CAPS

    @property
    def is_capped(self) -> bool:
        """Whether some kinds of work may have fewer tasks at a time than there are workers.

        Who takes a message from a shared list does not know its kind. So a node with caps takes its
        tasks straight from the database.
        """
        return self._kinds.bind(self.workers)

    def lists(self, transport: RedisTransport | None) -> RedisTransport | None:
        """Return the transport if tasks may go through its shared lists now."""
        return None if transport is None or not transport.up or self.is_capped else transport

    def of_kinds(self) -> KindRoom:
        """Return the rooms of the kinds, for one tick."""
        self._of_kinds = self._kinds.room(self._flights.at_work()) if self.is_capped else NO_CAPS
        return self._of_kinds

    @property
    def held_back(self) -> tuple[str, ...]:
        """The handlers of which the latest tick has left nothing to be taken, because their kind is at its cap."""
        return self._of_kinds.full

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
        ahead = self.pace.claims_ahead(listed=listed)
        capacity = self.workers + (0 if only_free else ahead) - self._flights.running_count() - fetched
        # Where no claim runs ahead, what is claimed begins at once and fills its worker, whatever its level.
        rooms = room(capacity, held, in_turns=self._in_turns or not ahead)
        return rooms | dict.fromkeys(paused, 0)

    def to_invite(self, fetched: int, paused: Collection[str]) -> dict[str, int]:
        """Return the rooms for messages, when ``fetched`` wait to be claimed."""
        return {} if self.is_capped else self.to_claim((), fetched, paused, listed=True)

    def may_invite(self, transport: RedisTransport) -> bool:
        """Tell whether rooms for messages are known: what an exchange pops at this moment is counted nowhere yet."""
        return self.runs_ahead or transport.withdraw()

    @property
    def runs_ahead(self) -> bool:
        """Whether claims that come through Redis run ahead of the workers."""
        return self.pace.claims_ahead(listed=True) > 0

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
        free = max(0, self.workers - self._flights.running_count())
        # Nobody pops the messages of a paused queue, so they must not keep others from being sent.
        held = {**listed, **dict.fromkeys(paused, 0)}
        return room(self.pace.listed(free), held, in_turns=self._in_turns)
