"""Store the schedules of an import: those whose name is free, or all under names that are."""

from __future__ import annotations

from collections.abc import Sequence

from queuectl.domain.transfer import OnConflict
from queuectl.errors import ScheduleExistsError
from queuectl.operations.incoming_schedules import IncomingSchedule, SeenUrls
from queuectl.operations.spool import Spool
from queuectl.store import transfer_schedules
from queuectl.store.database import Transaction


class ScheduleImporter:
    """Sort schedules into new ones and those whose name is here already, and store the new ones.

    ``names`` are those of the new ones, as they are called here.
    """

    def __init__(self, file: str, on_conflict: OnConflict, found: Sequence[IncomingSchedule]) -> None:
        self._file = file
        self._on_conflict = on_conflict
        self._found = found
        self.names: list[str] = []

    @property
    def skipped(self) -> int:
        """How many were left out."""
        return len(self._found) - len(self.names)

    def compare(self, transaction: Transaction) -> dict[int, str]:
        """Return the places of those that are to be stored, with the names that they get.

        Raises:
            ScheduleExistsError: a name is taken, and the answer to conflicts is "error".
        """
        taken = transfer_schedules.names(transaction) if self._found else set()
        chosen: dict[int, str] = {}
        for place, each in enumerate(self._found):
            name = each.row.name
            if name in taken:
                if self._on_conflict == "error":
                    raise ScheduleExistsError(
                        f"{self._file}, line {each.line}: there is a schedule {name!r} already;"
                        " nothing was imported",
                        hint="leave such schedules out with --on-conflict skip, or see: queuectl schedule list",
                    )
                if self._on_conflict == "skip":
                    continue
                name = _free(name, taken)
            taken.add(name)
            chosen[place] = name
        self.names = list(chosen.values())
        return chosen

    def store(self, transaction: Transaction, seen: Spool[SeenUrls]) -> None:
        """Store the new ones with what their sources have had."""
        chosen = self.compare(transaction)
        if not chosen:
            return
        rows = [self._found[place].row._replace(name=name) for place, name in chosen.items()]
        numbers = dict(zip(chosen, transfer_schedules.insert_schedules(transaction, rows), strict=True))
        for group in seen.groups():
            for each in group:
                if each.schedule in numbers:
                    transfer_schedules.insert(transaction, numbers[each.schedule], each.keys)


def _free(name: str, taken: set[str]) -> str:
    number = 2
    while f"{name}-{number}" in taken:
        number += 1
    return f"{name}-{number}"
