"""Turn what people submit into rows: check it, give it its place in the order, and insert it in groups."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from itertools import islice
from typing import Any

from queuectl.clock import now_ms
from queuectl.domain import priority
from queuectl.domain.batch import BatchReceipt, Entry, OnDuplicate, Rejected
from queuectl.domain.lifecycle import State
from queuectl.domain.task import ArticleTask, batch_name
from queuectl.domain.urls import accept
from queuectl.domain.visible import storable
from queuectl.errors import DuplicateTaskError, InvalidInputError, InvalidURLError, QueuectlError
from queuectl.operations import fields
from queuectl.operations.places import Places
from queuectl.operations.spool import Spool
from queuectl.settings import Settings
from queuectl.store import submission
from queuectl.store.database import Database, Transaction
from queuectl.store.submission import NewTask

GROUP = 2_000
"""How many rows go to the database at a time; flat memory however long the input is."""

_SHOWN_REJECTIONS = 100
_NAME_LIMIT = 200
_LONGEST_INTERVAL = 525_600

_MANY = 10_000
"""After this many new rows PostgreSQL's statistics are told, or it would plan for the table as it was."""


class RowMaker:
    """Make rows from submissions that share a moment and a default priority."""

    def __init__(self, settings: Settings, *, default: str | None = None) -> None:
        self._settings = settings
        self._default = priority.level_named(default) if default is not None else priority.DEFAULT
        self.now = now_ms()
        self._plain: dict[int | None, tuple[Any, ...]] = {}

    def row(self, task: ArticleTask, *, not_before: int | None = None) -> NewTask:
        """Return the row for a task; ``not_before`` (UTC milliseconds) holds if the task names no time itself.

        Raises:
            InvalidInputError: something about the task is not acceptable; the message says what.
        """
        fields.check(task)
        url = accept(task.url)
        score = self._score(task)
        run_at = not_before
        if task.publish_at is not None:
            run_at = fields.moment(task.publish_at, self._settings.timezone)
        self._check_handler(task.handler)
        return self._row(
            *url, score, run_at, task.handler, task.timeout, task.memory_limit, task.max_retries,
            fields.metadata(task.metadata), unique=task.unique,
        )  # fmt: skip

    def plain_row(self, text: str, not_before: int | None) -> NewTask:
        """Return the row for a URL without options.

        Raises:
            InvalidURLError: it cannot be fetched.
        """
        url, host, key = accept(text)
        rest = self._plain.get(not_before)
        if rest is None:
            # All but these three is the same for every plain URL, and a batch may have a million of them.
            row = self._row(
                url, host, key, self._default.score, not_before, "article", None, None, None, "{}"
            )
            rest = self._plain[not_before] = row[3:]
        return NewTask(url, key, host, *rest)

    def moved(self, row: NewTask, run_at: int) -> NewTask:
        """Return the row with another time to start at, in UTC milliseconds."""
        if run_at <= self.now:
            return row._replace(run_at=run_at)
        rank = priority.rank(row.priority_score, run_at, self._settings.priority_aging)
        return row._replace(run_at=run_at, due_at=run_at, rank=rank, state=State.SCHEDULED.value)

    def _row(
        self,
        url: str,
        host: str,
        key: int,
        score: int,
        run_at: int | None,
        handler: str,
        timeout: float | None,
        memory_limit: int | None,
        max_retries: int | None,
        metadata: str,
        *,
        unique: bool = False,
    ) -> NewTask:
        now = self.now
        later = run_at is not None and run_at > now
        due_at = run_at if run_at is not None and later else now
        return NewTask(
            url,
            key,
            host,
            handler,
            priority.level_of_score(score).queue,
            score,
            priority.rank(score, due_at, self._settings.priority_aging),
            "scheduled" if later else "queued",
            due_at,
            run_at,
            now,
            timeout,
            memory_limit,
            max_retries,
            None,
            key if unique else None,
            metadata,
        )

    def _check_handler(self, name: str) -> None:
        if name != "article" and name not in self._settings.handlers:
            known = ", ".join(sorted({"article", *self._settings.handlers}))
            raise InvalidInputError(
                f"there is no handler {name!r}", hint=f"configure [handlers.{name}], or use one of: {known}"
            )

    def _score(self, task: ArticleTask) -> int:
        if task.priority_score is not None:
            return priority.checked_score(task.priority_score)
        return priority.level_named(task.priority).score if task.priority is not None else self._default.score


def submit_one(database: Database, settings: Settings, task: ArticleTask) -> int:
    """Insert one task in a transaction of its own and return its number.

    Raises:
        InvalidInputError: the task is not acceptable.
        DuplicateTaskError: it is to be unique, and an open task for the same URL exists.
        QueueFullError: as many tasks wait in its queue as may.
    """
    row = RowMaker(settings).row(task)
    with database.writing() as transaction:
        Places(transaction, {row.queue}).take([row])
        if task.unique and submission.open_urls(transaction, [(row.url_key, row.url)]):
            raise DuplicateTaskError(
                f"an open task for {row.url[:200]} exists already",
                hint=f"see: queuectl list --url '{row.url[:200]}'",
            )
        return submission.insert(transaction, row)


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
) -> BatchReceipt:
    """Insert a batch in one transaction: all of its acceptable entries or, after an error, none.

    The entries are read and checked before the transaction begins, however slowly they come.
    ``strict`` makes the first invalid entry an error; otherwise invalid entries are reported.
    ``on_progress`` is told how many entries have been read.

    Raises:
        InvalidInputError: an argument, or in strict mode an entry, is not acceptable.
        DuplicateTaskError: an entry is a duplicate and ``on_duplicate`` is "error".
        QueueFullError: the batch does not fit into one of its queues.
    """
    step = _checked_interval(interval_minutes)
    start = None if start_at is None else fields.moment(start_at, settings.timezone)
    maker = RowMaker(settings, default=default)
    name = _checked_name(name)
    with Spool(NewTask) as spool:
        reader = _Reader(maker, strict=strict, not_before=None if step else start)
        for group in _groups(entries):
            spool.add(reader.rows(group))
            if on_progress:
                on_progress(reader.read)
        writer = _BatchWriter(maker, on_duplicate=on_duplicate, start=start, step=step)
        try:
            with database.writing() as transaction:
                places = Places(transaction, reader.queues)
                batch = submission.open_batch(transaction, name, interval_minutes, now_ms())
                for rows in spool.groups():
                    writer.write(transaction, batch, rows, places)
                submission.close_batch(transaction, batch, writer.accepted)
                if dry_run:
                    raise _NothingKept
        except _NothingKept:
            batch = 0
    if batch and writer.accepted >= _MANY:
        database.analyze()
    return BatchReceipt(
        batch_name(batch) if batch and writer.accepted else None,
        writer.accepted,
        writer.duplicates,
        reader.invalid,
        tuple(reader.rejected),
    )


class _NothingKept(Exception):  # noqa: N818  not an error: it undoes the transaction of a dry run
    pass


class _Reader:
    """Make rows of entries, and keep account of those that cannot be rows."""

    def __init__(self, maker: RowMaker, *, strict: bool, not_before: int | None) -> None:
        self._maker = maker
        self._strict = strict
        self._not_before = not_before
        self.read = 0
        self.invalid = 0
        self.rejected: list[Rejected] = []
        self.queues: set[str] = set()

    def rows(self, group: list[Entry | ArticleTask | str]) -> list[NewTask]:
        """Return the rows of a group's acceptable entries."""
        rows: list[NewTask] = []
        for entry in group:
            try:
                rows.append(self._row(entry))
            except InvalidInputError as error:
                self._reject(entry, error)
        self.read += len(group)
        self.queues.update(row.queue for row in rows)
        return rows

    def _row(self, entry: Entry | ArticleTask | str) -> NewTask:
        if isinstance(entry, str):
            return self._maker.plain_row(entry, self._not_before)
        task = entry.task if isinstance(entry, Entry) else entry
        if isinstance(entry, Entry) and task is None:
            raise InvalidURLError(entry.problem)
        if not isinstance(task, ArticleTask):
            raise InvalidInputError(f"{task!r} is neither a URL nor an ArticleTask")
        return self._maker.row(task, not_before=self._not_before)

    def _reject(self, entry: Entry | ArticleTask | str, error: QueuectlError) -> None:
        if self._strict:
            raise error
        self.invalid += 1
        if isinstance(entry, Entry) and len(self.rejected) < _SHOWN_REJECTIONS:
            self.rejected.append(Rejected(entry.line, entry.text[:200], error.message))


class _BatchWriter:
    """Insert rows group by group, without duplicates and spread over time where that is asked for."""

    def __init__(self, maker: RowMaker, *, on_duplicate: OnDuplicate, start: int | None, step: int) -> None:
        self._maker = maker
        self._on_duplicate = on_duplicate
        self._start = start
        self._step = step
        self.accepted = 0
        self.duplicates = 0

    def write(self, transaction: Transaction, batch: int, rows: list[NewTask], places: Places) -> None:
        """Insert the rows of a group."""
        if self._on_duplicate != "allow":
            rows = self._without_duplicates(transaction, rows)
        if self._step:
            rows = list(self._spread(rows))
        if rows:
            places.take(rows)
            submission.insert_many(transaction, batch, rows)
        self.accepted += len(rows)

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
                self.duplicates += 1
        return kept

    def _spread(self, rows: list[NewTask]) -> Iterator[NewTask]:
        first = self._start if self._start is not None else self._maker.now
        for place, row in enumerate(rows, start=self.accepted):
            has_own_time = row.run_at is not None
            yield row if has_own_time else self._maker.moved(row, first + place * self._step)


def _groups(entries: Iterable[Entry | ArticleTask | str]) -> Iterator[list[Entry | ArticleTask | str]]:
    iterator = iter(entries)
    while group := list(islice(iterator, GROUP)):
        yield group


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
