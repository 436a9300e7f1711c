"""Bring tasks in from an export: check all of the file, then store all of it in one transaction or nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Generic, TypeVar

from queuectl.domain.admission import QueueRules
from queuectl.domain.queue_limits import written
from queuectl.domain.transfer import ImportReceipt, OnConflict, Progress, QueueChange
from queuectl.operations import transfer_format as form
from queuectl.operations.auditing import Operation
from queuectl.operations.import_file import ImportFile
from queuectl.operations.import_storing import Found, Importer, PutAside
from queuectl.operations.incoming import Checker, Incoming
from queuectl.operations.incoming_schedules import ScheduleChecker, SeenUrls
from queuectl.operations.spool import Spool
from queuectl.settings import Settings
from queuectl.store import queues
from queuectl.store.database import Database
from queuectl.store.transfer import StoredBatch

Confirm = Callable[[tuple[QueueChange, ...]], None]
"""Asked before an import changes the settings of queues; raises to stop it."""

_GROUP = 2_000
_GROUP_BYTES = 8 * 1024 * 1024
_MANY = 10_000
"""After this many new rows PostgreSQL's statistics are told, or it would plan for the tables as they were."""

RowT = TypeVar("RowT")


def import_tasks(
    database: Database,
    settings: Settings,
    stream: IO[bytes],
    name: str,
    *,
    on_conflict: OnConflict,
    dry_run: bool,
    confirm: Confirm | None = None,
    on_progress: Progress | None = None,
) -> ImportReceipt:
    """Import what a stream holds, all or nothing; a dry run only finds out what that would be.

    Raises:
        BadInputFileError: the file cannot be used; nothing is changed, as with every other error.
        DuplicateTaskError: a task is here already and ``on_conflict`` is "error".
        QueueFullError: the tasks do not fit into their queues.
    """
    with ExitStack() as stack:
        put_aside = PutAside(
            stack.enter_context(Spool(StoredBatch)),
            stack.enter_context(Spool(Incoming)),
            stack.enter_context(Spool(SeenUrls)),
        )
        file = ImportFile(stream, name, largest=settings.import_max_bytes)
        found = _read(file, settings, put_aside, on_progress)
        with database.reading() as transaction:
            changes = _changes(queues.rules(transaction), found.queues)
        if changes and confirm and not dry_run:
            confirm(changes)
        importer = Importer(name, on_conflict, found, on_progress)
        if dry_run:
            with database.reading() as transaction:
                importer.compare(transaction, put_aside.tasks)
        else:
            operation = Operation(database, settings, "import", Path(name).name)
            with operation.writing() as transaction:
                importer.store(transaction, put_aside)
                importer.note(operation, transaction, changes)
            if importer.tasks >= _MANY:
                database.analyze()
        return importer.receipt(changes, dry_run=dry_run)


def _read(
    file: ImportFile,
    settings: Settings,
    put_aside: PutAside,
    on_progress: Progress | None,
) -> Found:
    """Check all of a file and put aside what it brings."""
    checker, schedule_checker = Checker(file, settings), ScheduleChecker(file, settings)
    progress = None if on_progress is None else lambda read: on_progress("reading", read, None)
    gathered_batches, gathered_tasks = _Gathering(put_aside.batches), _Gathering(put_aside.tasks)
    last: Incoming | None = None
    for record in file.records(progress):
        match record:
            case form.Task():
                last = checker.task(record)
                gathered_tasks.add(last, file.read)
            case form.Attempt():
                checker.attempt(record, last)
            case form.DeadLetter():
                checker.dead_letter(record, last)
            case form.Queue() | form.Schedule() | form.Seen() | form.Batch() if last is not None:
                file.refuse("queues, schedules and batches come before the first task")
            case form.Batch():
                gathered_batches.add(checker.batch(record), file.read)
            case form.Queue():
                checker.queue(record)
            case form.Schedule():
                schedule_checker.schedule(record)
            case form.Seen():
                put_aside.seen.add([schedule_checker.seen(record)])
            case _:
                file.refuse("this record has no place here")
    gathered_batches.put_aside()
    gathered_tasks.put_aside()
    return Found(
        checker.queues,
        gathered_batches.count,
        gathered_tasks.count,
        schedule_checker.schedules,
        checker.resurrected,
    )


class _Gathering(Generic[RowT]):
    """Put rows aside in groups that are neither long nor large; a row may still grow until the next one comes."""

    def __init__(self, spool: Spool[RowT]) -> None:
        self._spool = spool
        self._rows: list[RowT] = []
        self._begun_at = 0
        self.count = 0

    def add(self, row: RowT, read: int) -> None:
        """Add a row; ``read`` is how many bytes of the file have been read."""
        if len(self._rows) == _GROUP or read - self._begun_at > _GROUP_BYTES:
            self.put_aside()
            self._begun_at = read
        self._rows.append(row)
        self.count += 1

    def put_aside(self) -> None:
        """Put aside what there is."""
        if self._rows:
            self._spool.add(self._rows)
            self._rows = []


def _changes(present: Mapping[str, QueueRules], given: Mapping[str, QueueRules]) -> tuple[QueueChange, ...]:
    return tuple(
        QueueChange(name, key, _shown(getattr(present[name], key)), _shown(getattr(rules, key)))
        for name, rules in given.items()
        for key in QueueRules.__slots__
        if getattr(present[name], key) != getattr(rules, key)
    )


def _shown(value: object) -> str:
    return ("yes" if value else "no") if isinstance(value, bool) else written(value)
