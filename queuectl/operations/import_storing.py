"""Sort the tasks of an import into new ones and those that are here already, and store the new ones."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from queuectl.domain.admission import QueueRules
from queuectl.domain.lifecycle import WAITING, State
from queuectl.domain.priority import QUEUES
from queuectl.domain.task import task_name
from queuectl.domain.transfer import IdLog, ImportReceipt, OnConflict, Progress, QueueChange
from queuectl.errors import DuplicateTaskError, QueueFullError
from queuectl.operations.auditing import Operation
from queuectl.operations.import_schedules import ScheduleImporter
from queuectl.operations.incoming import Incoming
from queuectl.operations.incoming_schedules import IncomingSchedule, SeenUrls
from queuectl.operations.resurrections import Resurrections
from queuectl.operations.spool import Spool
from queuectl.store import counters, queues, starts, submission, transfer
from queuectl.store.database import Transaction
from queuectl.store.transfer import BatchReach, StoredBatch

_GROUP = 2_000
_NOTED = 20


@dataclass(frozen=True, slots=True)
class Found:
    """What a file has: settings of queues, how many batches and tasks, and its ids of what came of dead letters."""

    queues: dict[str, QueueRules]
    batches: int
    tasks: int
    schedules: list[IncomingSchedule]
    resurrected: set[int]


@dataclass(frozen=True, slots=True)
class PutAside:
    """What a file brings in numbers too large for the memory, checked and ready to be stored."""

    batches: Spool[StoredBatch]
    tasks: Spool[Incoming]
    seen: Spool[SeenUrls]


class Importer:
    """Sort tasks into new and conflicting ones, store the new ones, and keep account of both."""

    def __init__(
        self, name: str, on_conflict: OnConflict, found: Found, on_progress: Progress | None
    ) -> None:
        self._name = name
        self._on_conflict = on_conflict
        self._found = found
        self._on_progress = on_progress
        self._up_to = 0
        self._done = 0
        self._new: Counter[tuple[str, State]] = Counter()
        self._conflicts: Counter[tuple[str, State]] = Counter()
        self._skipped = 0
        self._attempts = 0
        self._dead_letters = 0
        self._ids = IdLog()
        self._schedules = ScheduleImporter(name, on_conflict, found.schedules)
        self._resurrections = Resurrections(found.resurrected)
        self._numbers = array("q")
        self._members, self._firsts, self._lasts = (array("q", [0]) * found.batches for _ in range(3))

    @property
    def tasks(self) -> int:
        """How many tasks are new."""
        return self._new.total()

    def compare(self, transaction: Transaction, tasks: Spool[Incoming]) -> None:
        """Only find out what storing them would do."""
        self._schedules.compare(transaction)
        self._up_to = submission.last_number(transaction)
        for group in tasks.groups():
            self._sort_out(transaction, group)
            self._report(len(group))
        counts = counters.read(transaction)
        rules = queues.rules(transaction) | self._found.queues
        self._check_room(
            {
                name: (sum(counts.get((name, state), 0) for state in WAITING), rule.max_size)
                for name, rule in rules.items()
                if rule.max_size is not None
            }
        )

    def store(self, transaction: Transaction, put_aside: PutAside) -> None:
        """Store queues, schedules, batches and tasks."""
        self._set_rules(transaction)
        bounded = queues.lock_bounded(transaction, QUEUES)
        self._up_to = submission.last_number(transaction)
        for found in put_aside.batches.groups():
            self._numbers.extend(transfer.insert_batches(transaction, found))
        for group in put_aside.tasks.groups():
            self._store(transaction, self._sort_out(transaction, group))
            self._report(len(group))
        self._close_batches(transaction)
        for links in self._resurrections.groups():
            transfer.link_resurrected(transaction, links)
        self._schedules.store(transaction, put_aside.seen)
        self._check_room(bounded)

    def note(self, operation: Operation, transaction: Transaction, changes: Sequence[QueueChange]) -> None:
        """Have the audit say what was imported, if anything was; the new tasks can be undone."""
        schedules = self._schedules.names
        if not self.tasks and not schedules and not changes:
            return
        operation.note(
            transaction,
            self.tasks,
            before={f"{each.queue} {each.key}": each.before for each in changes},
            after={f"{each.queue} {each.key}": each.after for each in changes}
            | {"schedules": list(schedules)[:_NOTED]},
            created=self._ids.created,
        )

    def receipt(self, changes: tuple[QueueChange, ...], *, dry_run: bool) -> ImportReceipt:
        """Return what was done, or would be."""
        return ImportReceipt(
            dry_run,
            dict(self._new),
            dict(self._conflicts),
            self._skipped,
            batches=sum(1 for count in self._members if count),
            attempts=self._attempts,
            dead_letters=self._dead_letters,
            schedules=tuple(self._schedules.names),
            schedules_skipped=self._schedules.skipped,
            queue_changes=changes,
            ids=tuple(self._ids.ids),
            created=tuple(self._ids.created),
        )

    def _sort_out(self, transaction: Transaction, group: list[Incoming]) -> list[Incoming]:
        """Count a group's tasks and return those that are to be stored."""
        rows = [each.task for each in group]
        taken = self._unique_ones_taken(transaction, group)
        present = transfer.conflicts(transaction, rows, self._up_to) | taken if self._up_to else taken
        kept: list[Incoming] = []
        for place, each in enumerate(group):
            key = (each.task.queue, State(each.task.state))
            if place in present:
                self._conflicts[key] += 1
                if self._on_conflict == "error":
                    raise DuplicateTaskError(
                        f"{self._name}, line {each.line}: {task_name(present[place])} is this task already;"
                        " nothing was imported",
                        hint="leave such tasks out with --on-conflict skip, or see what there is with --dry-run",
                    )
                # What is to be unique stays unique, whatever else is imported a second time.
                if self._on_conflict == "skip" or place in taken:
                    self._skipped += 1
                    self._resurrections.task(each.old, present[place])
                    continue
            kept.append(each)
            self._new[key] += 1
            self._attempts += len(each.attempts)
            self._dead_letters += len(each.letters)
            if each.batch is not None:
                self._members[each.batch] += 1
        return kept

    def _unique_ones_taken(self, transaction: Transaction, group: list[Incoming]) -> dict[int, int]:
        """Return the places of unique open tasks whose URL has such a task already, with its number."""
        places: dict[int, int] = {}
        for place, each in enumerate(group):
            if each.task.unique_key is not None and each.task.finished_at is None:
                places[each.task.unique_key] = place
        if not places:
            return {}
        taken = transfer.unique_keys_taken(transaction, list(places))
        return {places[key]: number for key, number in taken.items()}

    def _store(self, transaction: Transaction, group: list[Incoming]) -> None:
        if not group:
            return
        numbers = submission.reserve(transaction, "tasks", len(group))
        rows = [
            each.task if each.batch is None else each.task._replace(batch_id=self._numbers[each.batch])
            for each in group
        ]
        submission.insert_stored(transaction, numbers, rows)
        transfer.insert_attempts(
            transaction,
            [(number, run) for number, each in zip(numbers, group, strict=True) for run in each.attempts],
        )
        letters = [
            (number, row, letter)
            for number, row, each in zip(numbers, rows, group, strict=True)
            for letter in each.letters
        ]
        placed = transfer.insert_dead_letters(transaction, letters)
        for letter_number, (_, _, letter) in zip(placed, letters, strict=True):
            self._resurrections.letter(letter_number, letter)
        for number, each in zip(numbers, group, strict=True):
            self._ids.add(each.old, number)
            self._resurrections.task(each.old, number)
            if each.batch is not None:
                self._firsts[each.batch] = self._firsts[each.batch] or number
                self._lasts[each.batch] = number

    def _close_batches(self, transaction: Transaction) -> None:
        for start in range(0, len(self._numbers), _GROUP):
            places = range(start, min(start + _GROUP, len(self._numbers)))
            transfer.close_batches(
                transaction,
                [
                    BatchReach(self._numbers[at], self._members[at], self._firsts[at], self._lasts[at])
                    for at in places
                ],
            )

    def _set_rules(self, transaction: Transaction) -> None:
        if not self._found.queues:
            return
        # All rows in the one order in which everybody locks them, so that nobody waits in a circle.
        present = {name: queues.lock(transaction, name) for name in sorted(QUEUES)}
        for name, rules in self._found.queues.items():
            queues.set_limits(transaction, rules)
            queues.set_paused(transaction, name, paused=rules.paused)
            if rules.rate_limit != present[name].rate_limit:
                starts.begin(transaction, rules, transaction.now())

    def _check_room(self, bounded: Mapping[str, tuple[int, int]]) -> None:
        """Make sure that what is to wait fits into queues of which it is known how many wait, and how many may.

        Raises:
            QueueFullError: it does not.
        """
        for queue, (waiting, limit) in bounded.items():
            brought = sum(self._new[queue, state] for state in WAITING)
            if brought and waiting + brought > limit:
                raise QueueFullError(
                    f"{queue} may hold {limit:,} waiting tasks and holds {waiting:,};"
                    f" {self._name} brings {brought:,} more, so nothing was imported",
                    hint=f"allow more with: queuectl queue set {queue} max_size={waiting + brought}",
                )

    def _report(self, count: int) -> None:
        self._done += count
        if self._on_progress:
            self._on_progress("storing", self._done, self._found.tasks)
