"""An outside witness: handlers write down each start and end of theirs, and tests read what really happened.

Every line is one write to a file that is opened for appending, so lines of many processes never mix, and a
process that is killed leaves whole lines or none. Nothing of queuectl has a part in it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.support.waiting import wait_until

START, END = "start", "end"


@dataclass(frozen=True, slots=True)
class Sighting:
    """Something that a run was seen to do; ``at`` is in nanoseconds of the machine's monotonic clock."""

    task: int
    fence: int
    attempt: int
    pid: int
    event: str
    at: int

    def __str__(self) -> str:
        return f"{self.event} of attempt {self.attempt} under fence {self.fence} in process {self.pid} at {self.at}"


def note(path: str | Path, task_id: str, fence: int, attempt: int, event: str) -> None:
    """Write one line; called by handlers, in whatever process they run."""
    number = task_id.removeprefix("task_")
    line = f"{number} {fence} {attempt} {os.getpid()} {event} {time.monotonic_ns()}\n"
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, line.encode())
    finally:
        os.close(descriptor)


class Witness:
    """The file that the handlers of one test write to."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def sightings(self) -> list[Sighting]:
        """Return everything that was seen, in the order of its writing."""
        try:
            text = self.path.read_text()
        except FileNotFoundError:
            return []
        # Of a line that is being written at this moment only the beginning may be there yet.
        lines = text[: text.rfind("\n") + 1].splitlines()
        found = []
        for line in lines:
            task, fence, attempt, pid, event, at = line.split()
            found.append(Sighting(int(task), int(fence), int(attempt), int(pid), event, int(at)))
        return found

    def starts(self, task: int | None = None) -> list[Sighting]:
        """Return the starts of runs, of one task or of all."""
        return [each for each in self._of(task) if each.event == START]

    def ends(self, task: int | None = None) -> list[Sighting]:
        """Return the ends of runs, of one task or of all."""
        return [each for each in self._of(task) if each.event == END]

    def order(self) -> list[int]:
        """Return the tasks in the order in which they started."""
        return [each.task for each in self.starts()]

    def running(self) -> list[Sighting]:
        """Return the starts whose end was not seen."""
        ended = {(each.task, each.fence) for each in self.ends()}
        return [each for each in self.starts() if (each.task, each.fence) not in ended]

    def wait_for_starts(self, count: int, *, within: float = 20.0) -> list[Sighting]:
        """Wait until this many runs have started."""
        return self.wait_for(lambda: len(self.starts()) >= count, f"{count} starts", within=within)

    def wait_for(
        self, condition: Callable[[], bool], describing: str, *, within: float = 20.0
    ) -> list[Sighting]:
        """Wait until what was seen fulfils a condition, and return the starts."""
        wait_until(condition, within=within, describing=f"{describing}, as seen by the handlers")
        return self.starts()

    def _of(self, task: int | None) -> list[Sighting]:
        return [each for each in self.sightings() if task is None or each.task == task]
