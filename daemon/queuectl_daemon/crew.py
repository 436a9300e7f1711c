"""The threads in which Dramatiq runs tasks: started as they are needed, and as many as tasks may run at a time.

A task in the event loop needs a thread for a moment only, on its way there. So it is the tasks that stay in their
threads which bring up more of them, and a hundred tasks in the loop do not.
"""

from __future__ import annotations

import threading

import dramatiq


class Crew(dramatiq.Worker):
    """A Dramatiq worker that has one thread more than are at work, up to ``most``."""

    def __init__(self, broker: dramatiq.Broker, *, most: int, worker_timeout: int) -> None:
        super().__init__(broker, worker_threads=1, worker_timeout=worker_timeout)
        self._most = most
        self._busy = 0
        self._changing = threading.Lock()

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
        """Have so many threads at the most; those beyond that leave when they have done their work."""
        with self._changing:
            self._most = most
            surplus, self.workers = self.workers[most:], self.workers[:most]
            for thread in surplus:
                thread.stop()
            self._reinforce()

    def _reinforce(self) -> None:
        if len(self.workers) <= self._busy and len(self.workers) < self._most:
            self._add_worker()
