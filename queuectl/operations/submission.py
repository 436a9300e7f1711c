"""Turn what people submit into rows: check it, give it its place in the order, and insert it in groups."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from itertools import islice

from queuectl.clock import now_ms
from queuectl.domain import priority
from queuectl.domain.batch import BatchReceipt, Entry, OnDuplicate, Rejected
from queuectl.domain.lifecycle import State
from queuectl.domain.task import ArticleTask, batch_name
from queuectl.domain.urls import accept
from queuectl.errors import DuplicateTaskError, InvalidInputError, InvalidURLError, QueuectlError
from queuectl.settings import Settings
from queuectl.store import submission
from queuectl.store.database import Database, Transaction
from queuectl.store.submission import NewTask
from queuectl.times import localised, milliseconds, zone_named

GROUP = 2_000
"""How many rows go to the database at a time; flat memory however long the input is."""

METADATA_LIMIT = 64 * 1024
"""The most characters a task's metadata may have as JSON."""

_SHOWN_REJECTIONS = 100


class RowMaker:
    """Make rows from submissions that share a moment, a default priority and perhaps a batch."""

    def __init__(self, settings: Settings, *, default: str | None = None, batch: int | None = None) -> None:
        self._settings = settings
        self._default = priority.level_named(default) if default is not None else priority.DEFAULT
        self._batch = batch
        self.now = now_ms()

    def row(self, task: ArticleTask, *, not_before: int | None = None) -> NewTask:
        """Return the row for a task; ``not_before`` (UTC milliseconds) holds if the task names no time itself.

        Raises:
            InvalidInputError: something about the task is not acceptable; the message says what.
        """
        url = accept(task.url)
        score = self._score(task)
        run_at = _milliseconds(task.publish_at, self._settings.timezone) if task.publish_at else not_before
        _check_budgets(task)
        self._check_handler(task.handler)
        return self._row(
            *url, score, run_at, task.handler, task.timeout, task.memory_limit, task.max_retries, _json(task.metadata),
            unique=task.unique,
        )  # fmt: skip

    def plain_row(self, text: str, not_before: int | None) -> NewTask:
        """Return the row for a URL without options.

        Raises:
            InvalidURLError: it cannot be fetched.
        """
        url = accept(text)
        return self._row(*url, self._default.score, not_before, "article", None, None, None, "{}")

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
            self._batch,
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
    """
    row = RowMaker(settings).row(task)
    with database.writing() as transaction:
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

    ``strict`` makes the first invalid entry an error; otherwise invalid entries are reported.
    ``on_progress`` is told how many entries have been read.

    Raises:
        InvalidInputError: an argument, or in strict mode an entry, is not acceptable.
        DuplicateTaskError: an entry is a duplicate and ``on_duplicate`` is "error".
    """
    if not 0 <= interval_minutes <= 525_600:
        raise InvalidInputError(
            f"the interval {interval_minutes:g} is not between 0 and 525600 minutes",
            hint="give minutes, such as 30",
        )
    start = _milliseconds(start_at, settings.timezone) if start_at else None
    writer = _BatchWriter(
        on_duplicate=on_duplicate, strict=strict, start=start, step=round(interval_minutes * 60_000)
    )
    try:
        with database.writing() as transaction:
            batch = submission.open_batch(transaction, name, interval_minutes, now_ms())
            maker = RowMaker(settings, default=default, batch=batch)
            read = 0
            for group in _groups(entries):
                writer.write(transaction, maker, batch, group)
                read += len(group)
                if on_progress:
                    on_progress(read)
            submission.close_batch(transaction, batch, writer.accepted)
            if dry_run:
                raise _NothingKept
    except _NothingKept:
        batch = 0
    shown = batch_name(batch) if batch and writer.accepted else None
    return replace(writer.receipt(), batch_id=shown)


class _NothingKept(Exception):  # noqa: N818  not an error: it undoes the transaction of a dry run
    pass


class _BatchWriter:
    """The running account of one bulk submission."""

    def __init__(self, *, on_duplicate: OnDuplicate, strict: bool, start: int | None, step: int) -> None:
        self._on_duplicate = on_duplicate
        self._strict = strict
        self._start = start
        self._step = step
        self._rejected: list[Rejected] = []
        self.accepted = 0
        self._duplicates = 0
        self._invalid = 0

    def write(
        self, transaction: Transaction, maker: RowMaker, batch: int, group: list[Entry | ArticleTask | str]
    ) -> None:
        """Insert a group's acceptable entries."""
        rows = self._rows(maker, group)
        if self._on_duplicate != "allow":
            rows = self._without_duplicates(transaction, rows)
        if self._step:
            rows = list(self._spread(maker, rows))
        if rows:
            submission.insert_many(transaction, batch, rows)
        self.accepted += len(rows)

    def receipt(self) -> BatchReceipt:
        """Return what became of everything written so far."""
        return BatchReceipt(None, self.accepted, self._duplicates, self._invalid, tuple(self._rejected))

    def _rows(self, maker: RowMaker, group: list[Entry | ArticleTask | str]) -> list[NewTask]:
        rows: list[NewTask] = []
        for entry in group:
            try:
                if isinstance(entry, str):
                    rows.append(maker.plain_row(entry, self._start))
                elif isinstance(entry, ArticleTask):
                    rows.append(maker.row(entry, not_before=self._start))
                elif entry.task is not None:
                    rows.append(maker.row(entry.task, not_before=self._start))
                else:
                    self._reject(entry, InvalidURLError(entry.problem))
            except InvalidInputError as error:
                self._reject(entry, error)
        return rows

    def _reject(self, entry: Entry | ArticleTask | str, error: QueuectlError) -> None:
        if self._strict:
            raise error
        self._invalid += 1
        if isinstance(entry, Entry) and len(self._rejected) < _SHOWN_REJECTIONS:
            self._rejected.append(Rejected(entry.line, entry.text[:200], error.message))

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
                self._duplicates += 1
        return kept

    def _spread(self, maker: RowMaker, rows: list[NewTask]) -> Iterator[NewTask]:
        first = self._start if self._start is not None else maker.now
        for place, row in enumerate(rows, start=self.accepted):
            run_at = first + place * self._step
            yield maker.moved(row, run_at)


def _groups(entries: Iterable[Entry | ArticleTask | str]) -> Iterator[list[Entry | ArticleTask | str]]:
    iterator = iter(entries)
    while group := list(islice(iterator, GROUP)):
        yield group


def _check_budgets(task: ArticleTask) -> None:
    budgets: tuple[tuple[str, object, float, float], ...] = (
        ("timeout", task.timeout, 0.001, 7 * 86_400),
        ("memory limit", task.memory_limit, 16, 1_048_576),
        ("number of retries", task.max_retries, 0, 1_000),
    )
    for what, value, least, most in budgets:
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
            raise InvalidInputError(
                f"the {what} {value!r} is not between {least:g} and {most:g}",
                hint="give a number in that range",
            )


def _json(metadata: object) -> str:
    if metadata == {}:
        return "{}"
    if not isinstance(metadata, dict):
        raise InvalidInputError("the metadata is not a mapping", hint='give a dict such as {"author": "Ann"}')
    try:
        text = json.dumps(metadata, ensure_ascii=False, allow_nan=False)
        text.encode()
    except UnicodeEncodeError:
        text = json.dumps(metadata)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidInputError(f"the metadata cannot be stored as JSON: {error}") from error
    if len(text) > METADATA_LIMIT:
        raise InvalidInputError(f"the metadata is {len(text)} characters long; {METADATA_LIMIT} are allowed")
    return text


def _milliseconds(moment: datetime, zone: str) -> int:
    try:
        return milliseconds(moment if moment.tzinfo else localised(moment, zone_named(zone)))
    except (OverflowError, ValueError) as error:
        raise InvalidInputError(f"the time {moment} is out of range") from error
