"""The child processes that run handlers: made when needed, used again, and given up when they are worn."""

from __future__ import annotations

import contextlib
import itertools
import os
import socket
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from queuectl.clock import monotonic
from queuectl.handlers.output import Output
from queuectl.settings import Settings
from queuectl_daemon.runner import family
from queuectl_daemon.runner.forkserver import ForkServer, Report
from queuectl_daemon.runner.frames import FROM_CHILD, Channel, FromChild, GarbageError, Hello

START_LIMIT = 10.0
"""Seconds in which a child must say that it is ready."""

_WARMING_LIMIT = 60.0  # the same while the fork server loads the article handler, on a slow machine
_IDLE_LIMIT = 60.0  # seconds after which a child without work is given up
_PAUSE = 0.2  # seconds between two tries to reach a fork server that is being replaced
_LAST_PATIENCE = 5.0  # seconds
_READS = 16  # more than a full pipe, less than what an endless printer could hold us up with


class NoChildError(Exception):
    """No child process could be made ready; where the system refused something for it, raised from that."""


class ClosedError(Exception):
    """The runner is ending; no child is given out any more."""


class ChildOutput:
    """What a child prints, read from a pipe by whoever looks first."""

    def __init__(self, descriptor: int) -> None:
        os.set_blocking(descriptor, False)
        self.descriptor = descriptor
        self._reading = threading.Lock()
        self._kept = Output()

    def drain(self) -> bool:
        """Read what is there; return False when nobody can print any more."""
        with self._reading, contextlib.suppress(BlockingIOError):
            for _ in range(_READS):
                chunk = os.read(self.descriptor, 65536)
                if not chunk:
                    return False
                self._kept.add(chunk)
        return True

    def take(self) -> Output | None:
        """Return what was printed since the last call; None for nothing."""
        self.drain()
        if not self._kept.total:
            return None
        with self._reading:
            kept, self._kept = self._kept, Output()
        return kept


@dataclass(slots=True, eq=False)
class Child:
    """One child process as the daemon knows it; ``status`` is its wait status once it has ended.

    ``refusal`` is why the system did not let it be made.
    """

    number: int
    channel: Channel[FromChild]
    output: ChildOutput
    warm: bool
    generation: int
    pid: int = 0
    runs: int = 0
    idle_since: float = 0.0
    status: int | None = None
    refusal: OSError | None = None
    has_ended: threading.Event = field(default_factory=threading.Event)


class Children:
    """All child processes of a runner, at most ``limit`` of them."""

    def __init__(self, fork_server: ForkServer, limit: int, wake: Callable[[], None]) -> None:
        self._fork_server = fork_server
        self._limit = limit
        self._wake = wake
        self._changed = threading.Condition()
        self._numbers = itertools.count(1)
        self._all: dict[int, Child] = {}
        self._idle: list[Child] = []
        self._has_warmed = False
        self._is_warming = False
        self._closed = False
        self._generation = 0
        self.arrived: deque[Child] = deque()
        self.retired: deque[Child] = deque()
        """Both are emptied by the watch, which reads the children's output."""

    def acquire(self, *, warm: bool) -> Child:
        """Return a child for one run, waiting while all are at work; ``warm`` wants the article handler loaded.

        Raises:
            NoChildError: None could be started.
            ClosedError: The runner is ending.
        """
        with self._changed:
            while True:
                if self._closed:
                    raise ClosedError
                child = self._pick(warm=warm)
                if child is not None:
                    return child
                if len(self._all) < self._limit:
                    try:
                        child = self._new(warm=warm)
                    except OSError as error:
                        self._changed.notify()  # the room is still there for somebody else
                        raise NoChildError(f"nothing to reach its process with: {error}") from error
                    break
                self._changed.wait()
        return self._started(child)

    def release(self, child: Child) -> None:
        """Take back a child that is fit for another run."""
        with self._changed:
            if self._is_fit(child):
                child.idle_since = monotonic()
                self._idle.append(child)
                self._changed.notify()
                return
        self.retire(child)

    def _is_fit(self, child: Child) -> bool:
        return not self._closed and not child.has_ended.is_set() and child.generation == self._generation

    def adopt(self, settings: Settings) -> None:
        """Let every child that is given out from now on go by these settings."""
        with self._changed:
            self._fork_server.adopt(settings)
            self._generation += 1
            idle, self._idle = self._idle, []
        for child in idle:
            self.retire(child)

    def retire(self, child: Child) -> None:
        """End a child with its descendants and make room for another."""
        if not child.has_ended.is_set() and child.pid:
            family.end_family(child.pid)
        child.channel.hang_up()
        with self._changed:
            if child in self._idle:
                self._idle.remove(child)
            if self._all.pop(child.number, None) is not None:
                self.retired.append(child)
            self._changed.notify()
        self._wake()

    def note(self, report: Report) -> None:
        """Take in what the fork server says."""
        child = self._all.get(report.number)
        if child is None:
            return
        if not report.is_birth:
            child.status = report.value
        elif report.value > 0:
            child.pid = report.value
            return
        else:
            child.refusal = OSError(-report.value, os.strerror(-report.value))
        self._note_end(child)

    def lose_all(self) -> None:
        """Take in that the fork server is gone, and every child with it."""
        for child in list(self._all.values()):
            if child.pid and not child.has_ended.is_set():
                family.end_family(child.pid)
            self._note_end(child)
        self._has_warmed = self._is_warming = False

    def resize(self, limit: int) -> None:
        """Have so many children at the most; those beyond that are given up as they become idle."""
        with self._changed:
            self._limit = limit
            self._changed.notify_all()
        self._wake()

    def retire_idle(self) -> None:
        """Give up the children that had nothing to do for a minute, and those beyond the limit."""
        long_ago = monotonic() - _IDLE_LIMIT
        surplus = max(0, len(self._all) - self._limit)
        for child in [
            child
            for place, child in enumerate(list(self._idle))
            if place < surplus or child.idle_since < long_ago
        ]:
            with self._changed:
                if child not in self._idle:
                    continue  # somebody needed it after all
                self._idle.remove(child)
            self.retire(child)

    def close(self) -> None:
        """Give out no more children, and end those without work."""
        with self._changed:
            self._closed = True
            idle, self._idle = self._idle, []
            self._changed.notify_all()
        for child in idle:
            self.retire(child)

    def wait_until_gone(self) -> None:
        """Wait, but not for ever, until the threads that run tasks have given their children back."""
        with self._changed:
            self._changed.wait_for(lambda: not self._all, _LAST_PATIENCE)

    @property
    def pids(self) -> tuple[int, ...]:
        """The process ids of the children that live."""
        return tuple(child.pid for child in list(self._all.values()) if child.pid)

    def _pick(self, *, warm: bool) -> Child | None:
        for child in reversed(self._idle):
            if child.warm or not warm:
                self._idle.remove(child)
                return child
        if self._idle and len(self._all) >= self._limit:
            cold = self._idle.pop(0)
            del self._all[cold.number]
            self.retired.append(cold)
            cold.channel.hang_up()  # it ends when it reads that
        return None

    def _new(self, *, warm: bool) -> Child:
        ours, theirs = socket.socketpair()
        try:
            reading, writing = os.pipe()
        except OSError:
            ours.close()
            theirs.close()
            raise
        number = next(self._numbers)
        is_warm = warm or self._has_warmed
        channel, output = Channel(ours, FROM_CHILD), ChildOutput(reading)
        child = Child(number, channel, output, is_warm, self._generation)
        self._all[number] = child
        self.arrived.append(child)
        if warm and not self._has_warmed:
            self._has_warmed = self._is_warming = True
        # Whoever asks meanwhile waits behind the one for which it is loaded.
        ours.settimeout(_WARMING_LIMIT if self._is_warming else START_LIMIT)
        try:
            self._fork_server.fork(number, theirs, writing, warm=warm)
        except OSError as error:
            child.refusal = error
            child.channel.hang_up()
        finally:
            theirs.close()
            os.close(writing)
        return child

    def _started(self, child: Child) -> Child:
        self._wake()
        try:
            hello = child.channel.receive()
        except TimeoutError:
            if not child.pid:
                self._fork_server.kill()  # it has not even forked; the watch starts another
            self.retire(child)
            limit = child.channel.sock.gettimeout()
            raise NoChildError(f"no process was ready for it within {limit:g} s") from None
        except (OSError, GarbageError) as error:
            self.retire(child)
            raise NoChildError(f"its process spoke out of turn: {error}") from error
        if not isinstance(hello, Hello):
            self.retire(child)
            reason = "ended while it started" if child.refusal is None else f"was not made: {child.refusal}"
            raise NoChildError(f"its process {reason}") from child.refusal
        if child.warm:
            self._is_warming = False
        child.pid = hello.pid
        child.channel.sock.settimeout(None)
        return child

    def _note_end(self, child: Child) -> None:
        with self._changed:
            child.has_ended.set()
            was_idle = child in self._idle
            if was_idle:
                self._idle.remove(child)
        child.channel.hang_up()
        if was_idle:
            self.retire(child)
