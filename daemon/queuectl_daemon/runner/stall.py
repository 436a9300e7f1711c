"""Noticing that somebody's code keeps the event loop from everybody else, and naming it."""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import PurePath
from types import FrameType
from typing import TYPE_CHECKING

from queuectl.domain.task import task_name
from queuectl.domain.visible import visible

if TYPE_CHECKING:
    from queuectl_daemon.runner.loop_runs import LoopRun

_LOGGER = logging.getLogger(__name__)

PATIENCE = 1.0
"""Seconds that a handler may compute or block before the log says so."""

_LONGEST_NAME = 200


class Stall:
    """Asks the loop for a sign of life at every look, and says so once when none comes."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        thread: threading.Thread,
        call: Callable[[Callable[[], object]], None],
    ) -> None:
        self._loop = loop
        self._thread = thread
        self._call = call
        self._asked_at: float | None = None
        self._is_reported = False

    def look(self, now: float, runs: Sequence[LoopRun]) -> None:
        """Ask for a sign of life, or name what has kept the loop since the last one was asked for."""
        if self._asked_at is None:
            self._asked_at = now
            self._call(self._answer)
        elif now - self._asked_at >= PATIENCE and not self._is_reported:
            self._is_reported = True
            self._report(now - self._asked_at, runs)

    def _answer(self) -> None:
        self._asked_at = None
        if self._is_reported:
            self._is_reported = False
            _LOGGER.info("the event loop goes on")

    def _report(self, seconds: float, runs: Sequence[LoopRun]) -> None:
        present = asyncio.current_task(self._loop)
        run = next((run for run in runs if run.task is present), None)
        if run is None:
            who, facts = "something that an async handler started", {}
        else:
            who, facts = f"the handler {run.work.handler} of {task_name(run.work.id)}", run.facts
        _LOGGER.warning(
            "%s has kept the event loop for %.1f s%s; the other async tasks wait for it",
            who,
            seconds,
            self._place(),
            extra=facts,
        )

    def _place(self) -> str:
        frame = sys._current_frames().get(self._thread.ident or 0)
        return f", in {visible(_words(frame), _LONGEST_NAME)}" if frame is not None else ""


def _words(frame: FrameType) -> str:
    code = frame.f_code
    return f"{code.co_qualname} ({PurePath(code.co_filename).name}, line {frame.f_lineno})"
