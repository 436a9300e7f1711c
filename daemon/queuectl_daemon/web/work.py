"""The few threads in which the web page does what blocks: the database, templates, sources of schedules.

Each has a database connection of its own; none of them is ever waited for by what dispatches.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

from queuectl.errors import QueuectlError
from queuectl.store.database import Database

THREADS = 3
MOST_WAITING = 64
_CLOSING_SECONDS = 2.0

P = ParamSpec("P")
R = TypeVar("R")


class BusyError(QueuectlError):
    """So much is asked of the web page at once that this was not begun."""


class Workers:
    """Runs functions beside the loop, only so many at a time, and only so many that wait."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="web")
        self._waiting = 0
        self.stopping = threading.Event()

    async def call(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Return what ``work`` returns.

        Raises:
            BusyError: too much is waiting already.
        """
        if self._waiting >= MOST_WAITING or self.stopping.is_set():
            raise BusyError(hint="try again in a moment")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(
                self._pool, partial(work, *args, **kwargs)
            )
        finally:
            self._waiting -= 1

    def close(self) -> None:
        """Begin nothing more, and close the threads' connections as far as they are free within a moment."""
        self.stopping.set()
        everybody = threading.Barrier(THREADS)

        def leave() -> None:
            with contextlib.suppress(threading.BrokenBarrierError):
                everybody.wait(_CLOSING_SECONDS)
            self._database.close()

        for _ in range(THREADS):
            self._pool.submit(leave)
        self._pool.shutdown(wait=False)
