"""Who lives: the locks that a database holds for its nodes, and what the homes know of who used them last."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable


class Locks:
    """The server's side: a lock is free when its holder's session is gone."""

    def __init__(self) -> None:
        self._holders: dict[str, str] = {}
        self._sessions: Counter[str] = Counter()
        self._last: dict[int, str] = {}

    def of(self, node: str, reach: Callable[[], None]) -> LifeLock:
        """Return a node's own connection for locks; ``reach`` fails where the server is out of reach."""
        return LifeLock(self, node, reach)

    def take(self, node: str, taker: str) -> bool:
        """Try to take a node's lock."""
        holder = self._holders.get(node)
        if holder is not None and holder != taker:
            return False
        self._holders[node] = taker
        return True

    def free(self, node: str, taker: str) -> None:
        """Give a lock back."""
        if self._holders.get(node) == taker:
            del self._holders[node]

    def lose(self, taker: str) -> None:
        """End a node's session, and with it all locks that it holds."""
        self._sessions[taker] += 1
        for node in [node for node, holder in self._holders.items() if holder == taker]:
            del self._holders[node]

    def session(self, taker: str) -> int:
        """Return the number of a node's session."""
        return self._sessions[taker]

    # Homes.

    def announce(self, home: int, node: str) -> None:
        """Note who uses a home."""
        self._last[home] = node

    def leave(self, home: int) -> None:
        """Note that its last user has left nothing behind."""
        self._last.pop(home, None)

    def predecessor(self, home: int) -> str | None:
        """Return who used a home before and did not say goodbye."""
        return self._last.get(home)


class LifeLock:
    """What recovery asks of the lock that PostgreSQL holds for its node."""

    def __init__(self, locks: Locks, node: str, reach: Callable[[], None]) -> None:
        self._locks = locks
        self._node = node
        self._reach = reach

    def take(self, node: str) -> bool:
        """Try to take a node's lock."""
        self._reach()
        return self._locks.take(node, self._node)

    def session(self) -> int:
        """Return the number of the session."""
        return self._locks.session(self._node)

    def free(self, node: str) -> None:
        """Give a lock back."""
        self._locks.free(node, self._node)

    def is_held(self, node: str) -> bool:
        """Tell whether a living session holds a node's lock."""
        if self.take(node):
            self.free(node)
            return False
        return True

    def close(self) -> None:
        """Close the connection."""
        self._locks.lose(self._node)
