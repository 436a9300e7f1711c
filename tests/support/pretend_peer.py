"""A small task queue to try the bench of peers on: a file of tasks, and one worker that reads it.

Fast, the worker says that a task is done as soon as it has read it, and reads all there are; durable, when it was
done. The variant ``broken`` refuses what is submitted, ``ending`` has a worker that ends at once, and ``once`` one that
does nothing when it is started a second time.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from tests.bench.peers import work
from tests.bench.peers.serving import Adapter, Place, serve

_LOOK_SECONDS = 0.002


class Pretend(Adapter):
    """Appends a line for each task."""

    cannot: ClassVar = {"urgent": "one after the other", "startup": "has no command"}

    def submit(self, work: str, name: str, level: str) -> None:
        """Append one line."""
        self.submit_many(work, [name], level)

    def submit_many(self, work: str, names: Sequence[str], level: str) -> None:
        """Append many lines."""
        if self.place.variant == "broken":
            raise RuntimeError("it is broken")
        with _tasks(self.place).open("a") as file:
            file.writelines(f"{work} {name}\n" for name in names)

    def workers(self) -> Sequence[Sequence[str]]:
        """Return the command of the one worker."""
        if self.place.variant == "ending":
            return [[sys.executable, "-c", "raise SystemExit('no work today')"]]
        return [[sys.executable, "-m", "tests.support.pretend_peer", "worker"]]


def labour(place: Place) -> None:
    """Work until somebody ends this process."""
    done = place.folder / "done"
    count = int(done.read_text()) if done.exists() else 0
    while place.variant == "once" and count:
        time.sleep(_LOOK_SECONDS)
    while True:
        try:
            lines = _tasks(place).read_text().splitlines()[count:]
        except FileNotFoundError:
            lines = []
        if not place.durable:
            done.write_text(str(count + len(lines)))
        for line in lines:
            kind, name = line.split()
            getattr(work, kind)(name)
            count += 1
            if place.durable:
                _replace(done, count)
        time.sleep(_LOOK_SECONDS)


def _replace(file: Path, count: int) -> None:
    new = file.with_suffix(".new")
    new.write_text(str(count))
    new.replace(file)


def _tasks(place: Place) -> Path:
    return place.folder / "tasks"


if __name__ == "__main__":
    if sys.argv[1:] == ["worker"]:
        labour(Place.of_environment())
    else:
        serve(Pretend)
