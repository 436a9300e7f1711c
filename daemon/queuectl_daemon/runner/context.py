"""What a handler gets as its second argument, wherever it runs."""

from __future__ import annotations

import logging
import math
import traceback
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import MutableMapping
from typing import Any

from queuectl.clock import monotonic
from queuectl.domain.article import Article

LOGGER = logging.getLogger("queuectl.task")
"""The logger whose level decides which lines of a task are taken, and under whose name they appear."""

_REPORTS_PER_SECOND = 5
_LINES_AT_ONCE = 500
_LINES_PER_SECOND = 20.0
LONGEST_LINE = 4096
LONGEST_NOTE = 200


class RunContext(ABC):
    """A run's way back to the daemon; fulfils ``queuectl.handlers.contract.Context``."""

    __slots__ = ("_log", "_reports", "article")

    def __init__(self) -> None:
        self.article: Article | None = None
        self._log: TaskLog | None = None
        self._reports: deque[float] | None = None

    @property
    @abstractmethod
    def cancelled(self) -> bool:
        """True once the run should end early."""

    @property
    def log(self) -> TaskLog:
        """The run's own log, made at its first use, since most runs are silent."""
        if self._log is None:
            self._log = TaskLog(self)
        return self._log

    def progress(self, fraction: float, note: str = "") -> None:
        """Report how far the run is; at most five reports a second are passed on."""
        now = monotonic()
        if self._reports is None:
            self._reports = deque(maxlen=_REPORTS_PER_SECOND)
        elif len(self._reports) == _REPORTS_PER_SECOND and now - self._reports[0] < 1.0:
            return
        self._reports.append(now)
        value = float(fraction)
        self.report(min(max(value, 0.0), 1.0) if math.isfinite(value) else 0.0, str(note)[:LONGEST_NOTE])

    def keep(self, article: Article) -> None:
        """Remember the article that is to be stored with the run's success."""
        self.article = article

    def end_log(self) -> None:
        """Say how many lines were dropped, if any were; to be called when the run is over."""
        if self._log is not None:
            self._log.finish()

    @abstractmethod
    def report(self, fraction: float, note: str) -> None:
        """Pass a report of progress on."""

    @abstractmethod
    def write(self, level: int, text: str) -> None:
        """Pass one line for the log on."""


class TaskLog(logging.LoggerAdapter[logging.Logger]):
    """A logger for one run, which limits how much the run can say: 500 lines, and 20 more each second."""

    def __init__(self, context: RunContext) -> None:
        super().__init__(LOGGER, None)
        self._context = context
        self._allowance = float(_LINES_AT_ONCE)
        self._counted_at = monotonic()
        self._dropped = 0

    def log(self, level: int, msg: object, *args: object, **kwargs: Any) -> None:
        """Take a line; with exception information the traceback follows it."""
        if not self.isEnabledFor(level):
            return
        text = _formatted(msg, args)
        error = kwargs.get("exc_info")
        if error:
            text = f"{text}\n{_trace(error)}"
        self.take(level, text)

    def take(self, level: int, text: str) -> None:
        """Pass lines on as far as the allowance goes."""
        for line in text.split("\n"):
            if not self._may_pass():
                self._dropped += 1
                continue
            self._tell_dropped()
            self._context.write(level, line if len(line) <= LONGEST_LINE else line[: LONGEST_LINE - 1] + "…")

    def finish(self) -> None:
        """Account for the lines that were dropped."""
        self._tell_dropped()

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        """Leave the message as it is; the daemon adds which task it came from."""
        return msg, kwargs

    def _may_pass(self) -> bool:
        now = monotonic()
        earned = (now - self._counted_at) * _LINES_PER_SECOND
        self._allowance = min(self._allowance + earned, _LINES_AT_ONCE)
        self._counted_at = now
        if self._allowance < 1:
            return False
        self._allowance -= 1
        return True

    def _tell_dropped(self) -> None:
        if self._dropped:
            dropped, self._dropped = self._dropped, 0
            self._context.write(logging.WARNING, f"{dropped} lines were dropped: the task logs too fast")


def _formatted(msg: object, args: tuple[object, ...]) -> str:
    try:
        if len(args) == 1 and isinstance(args[0], dict) and args[0]:
            return str(msg) % args[0]  # logging allows named values in one mapping
        return str(msg) % args if args else str(msg)
    except Exception as error:  # noqa: BLE001 - whatever a value's own text raises, a log line is not worth a run
        return f"a log line could not be formatted: {type(error).__name__}"


def _trace(error: object) -> str:
    if isinstance(error, BaseException):
        return "".join(traceback.format_exception(error)).rstrip()
    return traceback.format_exc().rstrip()
