"""Submit tasks: one at a time, or a batch in groups of rows that were checked before."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from queuectl.clock import now_ms
from queuectl.domain.batch import BatchReceipt, Entry, OnDuplicate
from queuectl.domain.task import ArticleTask, batch_name
from queuectl.domain.visible import storable
from queuectl.errors import DuplicateTaskError, InvalidInputError
from queuectl.operations import fields
from queuectl.operations.auditing import Operation
from queuectl.operations.places import Places
from queuectl.operations.prepared import Prepared
from queuectl.operations.row_maker import RowMaker
from queuectl.operations.submission_key import SubmissionKey
from queuectl.settings import Settings
from queuectl.store import submission
from queuectl.store.database import Database, Transaction
from queuectl.store.submission import NewTask

_NAME_LIMIT = 200
_LONGEST_INTERVAL = 525_600

_MANY = 10_000
"""After this many new rows PostgreSQL's statistics are told, or it would plan for the table as it was."""


def submit_one(
    database: Database, settings: Settings, task: ArticleTask, once: SubmissionKey | None = None
) -> int:
    """Insert one task in a transaction of its own and return its number; with a key that was used, the former one.

    Raises:
        InvalidInputError: the task is not acceptable.
        KeyReusedError: the key was used for something else.
        DuplicateTaskError: it is to be unique, and an open task for the same URL exists.
        QueueFullError: as many tasks wait in its queue as may.
    """
    row = RowMaker(settings).row(task)
    with database.writing() as transaction:
        if once is not None and (former := once.claim(transaction)) is not None:
            return once.task_of(former)
        Places(transaction, {row.queue}).take([row])
        if task.unique and submission.open_urls(transaction, [(row.url_key, row.url)]):
            raise DuplicateTaskError(
                f"an open task for {row.url[:200]} exists already",
                hint=f"see: queuectl list --url '{row.url[:200]}'",
            )
        number = submission.insert(transaction, row)
        if once is not None:
            once.keep(transaction, task=number)
        return number


def submit_many(
    database: Database,
    settings: Settings,
    entries: Iterable[Entry | ArticleTask | str],
    *,
    default: str | None,
    name: str | None,
    interval_minutes: float,
    start_at: datetime | None,
    on_duplicate: OnDuplicate,
    strict: bool,
    dry_run: bool = False,
    on_progress: Callable[[int], None] | None = None,
    once: SubmissionKey | None = None,
) -> BatchReceipt:
    """Insert a batch in one transaction: all of its acceptable entries or, after an error, none.

    The entries are read and checked before the transaction begins, however slowly they come.
    ``strict`` makes the first invalid entry an error; otherwise invalid entries are reported.
    ``on_progress`` is told how many entries have been read. With a key ``once`` that was used before, the
    receipt is of the batch that came of it then.

    Raises:
        KeyReusedError: the key was used for something else.
        InvalidInputError: an argument, or in strict mode an entry, is not acceptable, or the interval leads too far.
        DuplicateTaskError: an entry is a duplicate and ``on_duplicate`` is "error".
        QueueFullError: the batch does not fit into one of its queues.
    """
    step = _checked_interval(interval_minutes)
    start = None if start_at is None else fields.moment(start_at, settings.timezone)
    name = _checked_name(name)
    with Prepared(settings, default=default, strict=strict, not_before=None if step else start) as prepared:
        prepared.take(entries, on_progress)
        operation = Operation(database, settings, "batch", name or "")
        written = Written()
        try:
            with operation.writing() as transaction:
                if once is not None and (former := once.claim(transaction)) is not None:
                    return once.receipt_of(transaction, former)
                written = write_batch(
                    transaction,
                    prepared,
                    name=name,
                    interval_minutes=interval_minutes,
                    start=start,
                    on_duplicate=on_duplicate,
                )
                if dry_run:
                    raise _NothingKept
                note_batch(operation, transaction, written, name)
                if once is not None:
                    once.keep(transaction, batch=written.batch)
        except _NothingKept:
            written.batch = None
        tell_planner(database, 0 if dry_run else written.accepted)
        return BatchReceipt(
            batch_name(written.batch) if written.batch is not None else None,
            written.accepted,
            written.duplicates,
            prepared.invalid,
            tuple(prepared.rejected),
        )


class _NothingKept(Exception):  # noqa: N818  not an error: it undoes the transaction of a dry run
    pass


@dataclass(slots=True)
class Written:
    """What a batch has become inside a transaction; ``known`` counts what was kept out by ``keep``."""

    batch: int | None = None
    accepted: int = 0
    duplicates: int = 0
    known: int = 0


def write_batch(
    transaction: Transaction,
    prepared: Prepared,
    *,
    name: str | None,
    interval_minutes: float = 0,
    start: int | None = None,
    on_duplicate: OnDuplicate,
    keep: Callable[[list[NewTask]], list[NewTask]] | None = None,
) -> Written:
    """Insert prepared rows as one batch inside a transaction; without any accepted row there is no batch.

    ``keep`` is asked for each group which of its rows are wanted at all.

    Raises:
        InvalidInputError: the interval leads too far.
        DuplicateTaskError: a row is a duplicate and ``on_duplicate`` is "error".
        QueueFullError: the batch does not fit into one of its queues.
    """
    written = Written()
    step = _checked_interval(interval_minutes)
    places = Places(transaction, prepared.queues)
    writer = _BatchWriter(prepared.maker, written, on_duplicate=on_duplicate, start=start, step=step)
    batch = submission.open_batch(transaction, name, interval_minutes, now_ms())
    for rows in prepared.groups():
        wanted = rows if keep is None else keep(rows)
        written.known += len(rows) - len(wanted)
        writer.write(transaction, batch, wanted, places)
    submission.close_batch(transaction, batch, written.accepted)
    written.batch = batch if written.accepted else None
    return written


def note_batch(operation: Operation, transaction: Transaction, written: Written, name: str | None) -> None:
    """Have the audit say what was submitted, if anything was."""
    if written.batch is not None:
        operation.note(
            transaction,
            written.accepted,
            target=batch_name(written.batch),
            after={"name": name},
            kept={"batch": written.batch},
        )


def tell_planner(database: Database, accepted: int) -> None:
    """After a large batch, let PostgreSQL plan for the table as it is now."""
    if accepted >= _MANY:
        database.analyze()


class _BatchWriter:
    """Insert rows group by group, without duplicates and spread over time where that is asked for."""

    def __init__(
        self,
        maker: RowMaker,
        written: Written,
        *,
        on_duplicate: OnDuplicate,
        start: int | None,
        step: int,
    ) -> None:
        self._maker = maker
        self._written = written
        self._on_duplicate = on_duplicate
        self._start = start
        self._step = step

    def write(self, transaction: Transaction, batch: int, rows: list[NewTask], places: Places) -> None:
        """Insert the rows of a group."""
        if self._on_duplicate != "allow":
            rows = self._without_duplicates(transaction, rows)
        if self._step:
            rows = list(self._spread(rows))
        if rows:
            places.take(rows)
            submission.insert_many(transaction, batch, rows)
        self._written.accepted += len(rows)

    def _without_duplicates(self, transaction: Transaction, rows: list[NewTask]) -> list[NewTask]:
        taken = submission.open_urls(transaction, [(row.url_key, row.url) for row in rows]) if rows else set()
        kept: list[NewTask] = []
        for row in rows:
            if row.url not in taken:
                taken.add(row.url)
                kept.append(row)
            elif self._on_duplicate == "error":
                raise DuplicateTaskError(
                    f"{row.url[:200]} is a duplicate; nothing was submitted",
                    hint="leave it out, or use --on-duplicate skip",
                )
            else:
                self._written.duplicates += 1
        return kept

    def _spread(self, rows: list[NewTask]) -> Iterator[NewTask]:
        first = self._start if self._start is not None else self._maker.now
        for place, row in enumerate(rows, start=self._written.accepted):
            has_own_time = row.run_at is not None
            yield row if has_own_time else self._maker.moved(row, first + place * self._step)


def _checked_interval(minutes: float) -> int:
    if not 0 <= minutes <= _LONGEST_INTERVAL:
        raise InvalidInputError(
            f"the interval {minutes:g} is not between 0 and {_LONGEST_INTERVAL} minutes",
            hint="give minutes, such as 30",
        )
    return round(minutes * 60_000)


def _checked_name(name: object) -> str | None:
    if name is None:
        return None
    if not isinstance(name, str) or len(name) > _NAME_LIMIT:
        raise InvalidInputError(f"the batch's name is no text of at most {_NAME_LIMIT} characters")
    return storable(name)
