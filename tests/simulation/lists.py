"""A Redis in memory that knows what the transport asks of it, and a client whose exchanges go wrong.

An exchange is refused, was done and goes unheard, is slow, or is done twice, as a client would that repeats commands.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from tests.simulation.weather import Weather
from tests.simulation.world import World


class Lists:
    """The server: lists and values, which may be gone at any moment."""

    def __init__(self) -> None:
        self.lists: dict[str, list[bytes]] = defaultdict(list)
        self.values: dict[str, bytes] = {}
        self.down = False

    def flush(self) -> None:
        """Forget everything."""
        self.lists.clear()
        self.values.clear()

    def push(self, key: str, bodies: str) -> None:
        """Put bodies, which blanks separate, behind a list."""
        self.lists[key] += [body.encode() for body in bodies.split()]

    def pop(self, key: str, count: int) -> list[bytes]:
        """Take up to so many bodies off the head of a list."""
        popped = self.lists[key][:count]
        del self.lists[key][:count]
        return popped


class Client:
    """What the transport uses of redis-py, for one node."""

    def __init__(self, server: Lists, world: World, weather: Weather) -> None:
        self._server = server
        self._world = world
        self._weather = weather
        self._chance = weather.stream("lists")

    def set(self, key: str, value: str, nx: bool = False) -> bool:
        """Set a value, with ``nx`` only where there is none."""
        self._reach()
        if nx and key in self._server.values:
            return False
        self._server.values[key] = value.encode()
        return True

    def get(self, key: str) -> bytes | None:
        """Return a value."""
        self._reach()
        return self._server.values.get(key)

    def close(self) -> None:
        """Close the connection, which costs nothing."""

    def eval(self, script: str, count: int, *rest: Any) -> list[Any]:
        """Do what the one script does, or what becomes of it: push, pop, and answer with the epoch and lengths."""
        keys, epoch, arguments = rest[: count - 1], rest[count - 1], rest[count:]
        rooms, bodies = arguments[1:count], arguments[count:]
        self._reach()
        now = self._world.monotonic()
        fault = self._weather.strikes(
            now, "list_refused", "list_unheard", "list_slow", "doubled", "reordered", share=0.5
        )
        if fault == "list_refused":
            raise ConnectionError("reset")
        if fault == "list_slow":
            self._world.sleep(self._chance.choice([0.01, 0.2, 1.5]))
            self._reach()
        if fault == "reordered":
            for waiting in self._server.lists.values():
                self._chance.shuffle(waiting)
        for _ in range(2 if fault == "doubled" else 1):
            for key, text in zip(keys, bodies, strict=True):
                self._server.push(key, text)
        popped: list[bytes] = []
        for key, room in zip(keys, rooms, strict=True):
            popped += self._server.pop(key, max(0, room - len(popped)))
        if fault == "list_unheard":
            raise ConnectionError("timed out")
        lengths = [len(self._server.lists[key]) for key in keys]
        return [len(popped), b"\n".join(popped), self._server.values.get(epoch), *lengths]

    def _reach(self) -> None:
        """Fail where the server does not answer."""
        if self._server.down:
            raise ConnectionError("refused")
