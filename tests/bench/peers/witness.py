"""Reads what the tasks noted, as it comes in."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from tests.bench.peers.arithmetic import Moments
from tests.bench.peers.work import BEGUN, ENDED


class Witness:
    """The notes of one place. A task is named ``PREFIX-NUMBER`` and asked for by its prefix."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._read = 0
        self._noted: dict[tuple[str, str], dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))

    def begun(self, prefix: str) -> Moments:
        """Return when the tasks of this prefix began, each as often as it did."""
        self._look()
        return self._noted[BEGUN, prefix]

    def ended(self, prefix: str) -> Moments:
        """Return when the tasks of this prefix ended, each as often as it did."""
        self._look()
        return self._noted[ENDED, prefix]

    def _look(self) -> None:
        if not self._file.exists():
            return
        with self._file.open("rb") as file:
            file.seek(self._read)
            new = file.read()
        # A line that is still being written is read when it is whole.
        whole = new[: new.rfind(b"\n") + 1]
        self._read += len(whole)
        for line in whole.decode().splitlines():
            mark, name, moment = line.split()
            self._noted[mark, name.partition("-")[0]][name].append(int(moment))
