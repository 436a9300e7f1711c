"""The way of async tasks to the event loop: past Dramatiq's threads, the most urgent first, as there is room.

Such a task would be in a thread for a moment only, and come to it through two others; that cost a third of all that
an async task costs.
"""

from __future__ import annotations

import heapq
import threading
from collections.abc import Callable
from itertools import count

from queuectl.domain.priority import QUEUES
from queuectl.domain.task import Claimed

_LEVELS = {queue: level for level, queue in enumerate(QUEUES)}


class Lane:
    """Tasks that wait for room; ``admit`` tells whether there is some and takes it, ``set_off`` begins a task.

    Any thread may ask it to go on: the pump that brings tasks, and whoever has left room.
    """

    def __init__(self, admit: Callable[[], bool], set_off: Callable[[Claimed], None]) -> None:
        self._admit = admit
        self._set_off = set_off
        self._waiting: list[tuple[int, int, Claimed]] = []
        self._order = count()
        self._changing = threading.Lock()

    def add(self, work: Claimed) -> None:
        """Take in a task, which sets off when the lane next goes on."""
        with self._changing:
            heapq.heappush(self._waiting, (_LEVELS[work.queue], next(self._order), work))

    def go_on(self) -> None:
        """Set tasks off while there is room."""
        while self._waiting:
            with self._changing:
                if not self._waiting or not self._admit():
                    return
                _, _, work = heapq.heappop(self._waiting)
            self._set_off(work)
