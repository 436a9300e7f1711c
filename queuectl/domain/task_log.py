"""What a task's handler said during an attempt, as it is kept: the beginning and the end, if it was long."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line; ``number`` counts the attempt's lines from 0, ``at`` is UTC milliseconds, ``level`` logging's."""

    number: int
    at: int
    level: int
    text: str


@dataclass(frozen=True, slots=True)
class LogPart:
    """Lines of one run that follow each other, as they are written and read together."""

    task: int
    fence: int
    attempt: int
    lines: tuple[LogLine, ...]

    @property
    def first(self) -> int:
        """The number of its first line, which is its identity within the run."""
        return self.lines[0].number
