"""Keep what tasks log: a logging handler that collects the lines of each run until the pump writes them.

Of each run the first and the last 32 KiB are kept. A task that logs nothing costs nothing here.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from queuectl.domain.task_log import LogLine, LogPart
from queuectl.store import task_logs
from queuectl.store.database import Transaction
from queuectl.store.task_logs import PartKey

Key = tuple[int, int]
"""A run: the task's number and its fence."""

_HALF = 32 * 1024
"""Characters that are kept of a run's beginning, and as many of its end."""

_LINE_COST = 32
"""What a line takes beside its text, in characters."""

_REMEMBERED_ENDS = 1_000
_MOST_RUNS = 10_000


@dataclass(slots=True)
class _RunLog:
    """The lines of one run that are not written yet, and the parts of its end that are."""

    attempt: int
    count: int = 0
    head_room: int = _HALF
    head: deque[LogLine] = field(default_factory=deque)
    tail: deque[LogLine] = field(default_factory=deque)
    tail_size: int = 0
    written: deque[tuple[int, int]] = field(default_factory=deque)

    def add(self, at: int, level: int, text: str) -> None:
        """Take a line; when the end becomes too long, its oldest line goes."""
        line = LogLine(self.count, at, level, text)
        self.count += 1
        if self.head_room > 0:
            self.head_room -= _size(line)
            self.head.append(line)
            return
        self.tail.append(line)
        self.tail_size += _size(line)
        while self.tail_size > _HALF:
            self.tail_size -= _size(self.tail.popleft())

    def forget(self, last: int) -> None:
        """Forget the lines up to this number, which are written."""
        for lines in (self.head, self.tail):
            while lines and lines[0].number <= last:
                line = lines.popleft()
                if lines is self.tail:
                    self.tail_size -= _size(line)


@dataclass(frozen=True, slots=True)
class Unsaved:
    """What one transaction writes: new parts, and older ones that give way to them."""

    parts: list[LogPart]
    outdated: list[PartKey]
    ended: frozenset[Key]

    def save(self, transaction: Transaction) -> None:
        """Write it."""
        if self.parts:
            task_logs.save(transaction, self.parts)
        if self.outdated:
            task_logs.drop(transaction, self.outdated)


class TaskLogs(logging.Handler):
    """Collects lines by run; worker threads add them, and only the pump takes them out."""

    def __init__(self) -> None:
        super().__init__()
        self._runs: dict[Key, _RunLog] = {}
        self._ended: dict[Key, None] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Take a line that says to which run it belongs; one of a run that is over comes too late."""
        run: Key | None = getattr(record, "run", None)
        if run is None or run in self._ended:
            return
        log = self._runs.get(run)
        if log is None:
            while len(self._runs) >= _MOST_RUNS:  # left by lines that came after their run's end
                del self._runs[next(iter(self._runs))]
            log = self._runs[run] = _RunLog(getattr(record, "attempt", 1))
        log.add(int(record.created * 1000), record.levelno, record.getMessage())

    def unsaved(self, ended: Iterable[Key], *, live: bool) -> Unsaved | None:
        """Return what is to be written of runs that have ended and, if ``live``, of those that go on."""
        if not self._runs:
            return None
        ended = frozenset(ended)
        assert self.lock is not None  # noqa: S101  for the type checker: every handler has one
        with self.lock:
            chosen = list(self._runs) if live else [run for run in ended if run in self._runs]
            parts: list[LogPart] = []
            outdated: list[PartKey] = []
            for run in chosen:
                self._collect(run, self._runs[run], parts, outdated)
        return Unsaved(parts, outdated, ended)

    def saved(self, said: Unsaved | None) -> None:
        """Forget what was written, after the commit."""
        if said is None:
            return
        assert self.lock is not None  # noqa: S101  as above
        with self.lock:
            gone = set(said.outdated)
            for part in said.parts:
                self._note(part, gone)
            for run in said.ended:
                if self._runs.pop(run, None) is not None:
                    self._ended[run] = None
            while len(self._ended) > _REMEMBERED_ENDS:
                del self._ended[next(iter(self._ended))]

    def _collect(self, run: Key, log: _RunLog, parts: list[LogPart], outdated: list[PartKey]) -> None:
        for lines in (log.head, log.tail):
            if lines:
                parts.append(LogPart(*run, log.attempt, tuple(lines)))
        excess = log.tail_size + sum(size for _, size in log.written) - _HALF
        for first, size in log.written if log.tail else ():
            if excess <= 0:
                break
            outdated.append((*run, first))
            excess -= size

    def _note(self, part: LogPart, gone: set[PartKey]) -> None:
        log = self._runs.get((part.task, part.fence))
        if log is None:
            return
        is_tail = not log.head or part.first > log.head[-1].number
        log.forget(part.lines[-1].number)
        if is_tail:
            log.written = deque(each for each in log.written if (part.task, part.fence, each[0]) not in gone)
            log.written.append((part.first, sum(map(_size, part.lines))))


def _size(line: LogLine) -> int:
    return len(line.text) + _LINE_COST
