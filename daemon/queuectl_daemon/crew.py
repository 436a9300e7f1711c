"""The threads in which Dramatiq runs tasks, a few and more as they are needed, and the number of runs at a time.

A task in the event loop needs a thread for a moment only, on its way there. So it is the tasks that stay in their
threads which bring up more of them, and a hundred tasks in the loop do not.
"""

from __future__ import annotations

import contextlib
import threading

import dramatiq

READY = 2
"""So many threads are there from the beginning, if as many may be; each more would be woken to no purpose."""


class Crew(dramatiq.Worker):
    """A Dramatiq worker that lets ``most`` runs go on at a time, and has one thread more than are at work."""

    def __init__(self, broker: dramatiq.Broker, *, most: int, worker_timeout: int) -> None:
        super().__init__(broker, worker_threads=min(most, READY), worker_timeout=worker_timeout)
        self._most = most
        self._runs = 0
        self._busy = 0
        self._waiting = 0
        self._closed = False
        self._changing = threading.Lock()
        self._room = threading.Condition(self._changing)

    def admit(self) -> bool:
        """Wait until another run may go on; False when none may begin any more.

        Tasks are claimed ahead only of what takes a moment, so the wait is as short.
        """
        with self._changing:
            self._waiting += 1
            while self._runs >= self._most and not self._closed:
                self._room.wait()
            self._waiting -= 1
            self._runs += not self._closed
            return not self._closed

    def admit_at_once(self) -> bool:
        """Let another run go on if there is room, unless a thread waits for it already."""
        with self._changing:
            if self._closed or self._waiting or self._runs >= self._most:
                return False
            self._runs += 1
            return True

    def leave(self) -> None:
        """Take note that a run is over, wherever it was."""
        with self._changing:
            self._runs -= 1
            self._room.notify()

    def occupy(self) -> None:
        """Take note that the calling thread is at work from now on, and see that another one is free."""
        with self._changing:
            self._busy += 1
            self._reinforce()

    def vacate(self) -> None:
        """Take note that the calling thread has done its work."""
        with self._changing:
            self._busy -= 1

    def resize(self, most: int) -> None:
        """Let so many runs go on at a time; threads beyond that leave when they have done their work."""
        with self._changing:
            self._most = most
            surplus, self.workers = self.workers[most:], self.workers[:most]
            for thread in surplus:
                thread.stop()
            self._reinforce()
            self._room.notify_all()

    def stop(self, timeout: int = 3_000) -> None:
        """Let nothing begin any more, and end the threads that are free within so many milliseconds."""
        with self._changing:
            self._closed = True
            self._room.notify_all()
        super().stop(timeout)

    def _reinforce(self) -> None:
        if len(self.workers) <= self._busy and len(self.workers) < self._most:
            with contextlib.suppress(
                RuntimeError
            ):  # the system has no thread to give; the next task asks again
                self._add_worker()
