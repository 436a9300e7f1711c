"""How many messages may be popped for this node: the pump says it, and one exchange with Redis makes use of it."""

from __future__ import annotations

import threading
from collections.abc import Mapping

Rooms = Mapping[str, int]
"""How many messages of each queue there is room for."""


class Invitation:
    """The rooms that hold for the next exchange; every step is one, whichever thread takes it."""

    def __init__(self) -> None:
        self._rooms: Rooms = {}
        self._is_in_use = False
        self._is_over = False
        self._lock = threading.Lock()

    def __bool__(self) -> bool:
        return bool(self._rooms)

    def renew(self, rooms: Rooms) -> None:
        """Let these rooms hold, in place of those before."""
        with self._lock:
            self._rooms = rooms if any(rooms.values()) and not self._is_over else {}

    def withdraw(self) -> bool:
        """Take it back; return False if an exchange makes use of it at this moment, so that messages may still come."""
        with self._lock:
            self._rooms = {}
            return not self._is_in_use

    def close(self) -> None:
        """Take it back for good."""
        with self._lock:
            self._rooms = {}
            self._is_over = True

    def use(self) -> Rooms:
        """Return the rooms for an exchange that begins; they count as used until ``used`` is called."""
        with self._lock:
            rooms, self._rooms = self._rooms, {}
            self._is_in_use = bool(rooms)
            return rooms

    def used(self, left: Rooms) -> None:
        """End the use; what is ``left`` holds for the next exchange if nobody has renewed it meanwhile."""
        with self._lock:
            self._is_in_use = False
            if not self._rooms and not self._is_over:
                self._rooms = left
