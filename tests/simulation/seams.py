"""Where the real core meets the simulation: its clock, and the threads and events of a few of its modules.

Everything else is handed to it. What is put in place here is taken back at the end of a run.
"""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

from tests.simulation.world import Actor, World

_WAITING_MODULES = (
    "queuectl.operations.hearing",
    "queuectl_daemon.adding_up",
    "queuectl_daemon.pump",
    "queuectl_daemon.retention",
    "queuectl_daemon.schedules",
    "queuectl_daemon.transport",
)


class VirtualEvent:
    """An event on which one waits in virtual time."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._is_set = False

    def set(self) -> None:
        """Ring."""
        self._is_set = True

    def clear(self) -> None:
        """Forget that it rang."""
        self._is_set = False

    def is_set(self) -> bool:
        """Tell whether it has rung."""
        return self._is_set

    def wait(self, timeout: float | None = None) -> bool:
        """Let time pass, unless it has rung."""
        if not self._is_set and timeout:
            self._world.sleep(timeout)
        return self._is_set


class VirtualThread:
    """A thread that becomes an actor of the process that starts it."""

    def __init__(
        self, *, target: Callable[..., None], args: tuple[Any, ...] = (), name: str, world: World
    ) -> None:
        self._run = lambda: target(*args)
        self._name = name
        self._world = world

    def start(self) -> None:
        """Begin a moment later."""
        self._world.after(0.0001, Actor(self._world.current.node, self._name), self._run)


class VirtualThreading:
    """Stands in for the module ``threading`` where something waits or begins beside what runs."""

    Thread = threading.Thread
    Lock = staticmethod(threading.Lock)
    Semaphore = threading.Semaphore

    def __init__(self, world: World) -> None:
        self._world = world
        self.get_ident = threading.get_ident

    def Event(self) -> VirtualEvent:  # noqa: N802  it is the name of what it stands in for
        """Return an event in virtual time."""
        return VirtualEvent(self._world)


class _Threading(VirtualThreading):
    def Thread(  # type: ignore[override]  # noqa: N802  as above
        self, *, target: Callable[..., None], args: tuple[Any, ...] = (), name: str, daemon: bool
    ) -> VirtualThread:
        return VirtualThread(target=target, args=args, name=name, world=self._world)


@contextmanager
def seams(world: World, seed: int) -> Iterator[None]:
    """Put virtual time and a seed under the core for the length of a run."""
    state, disabled = random.getstate(), logging.root.manager.disable
    stand_in = _Threading(world)
    patches: list[Any] = [
        mock.patch("queuectl.clock.time", world),
        mock.patch("queuectl.operations.verbs.ring", _ring),
    ]
    patches += [mock.patch(f"{name}.threading", stand_in) for name in _WAITING_MODULES]
    # The database has a clock of its own here, as on PostgreSQL, whatever the nodes' clocks show.
    patches.append(mock.patch("queuectl.store.database.now_ms", world.true_ms))
    for each in patches:
        each.start()
    logging.disable(logging.CRITICAL)
    random.seed(seed)
    try:
        yield
    finally:
        logging.disable(disabled)
        random.setstate(state)
        for each in patches:
            each.stop()


def _ring(home: object) -> bool:
    """Nobody listens to the bell of a home: the clients of a run wake the nodes themselves."""
    return False
