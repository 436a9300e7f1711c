"""Entries read and checked before any transaction begins, however slowly they come and however many they are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from types import TracebackType

from queuectl.domain.batch import Entry, Rejected
from queuectl.domain.task import ArticleTask
from queuectl.errors import InvalidInputError, InvalidURLError, QueuectlError
from queuectl.operations.row_maker import RowMaker
from queuectl.operations.spool import Spool
from queuectl.settings import Settings
from queuectl.store.submission import NewTask

GROUP = 2_000
"""How many rows go to the database at a time; flat memory however long the input is."""

_SHOWN_REJECTIONS = 100


class Prepared:
    """Rows made of entries and kept in a spool, with an account of the entries that cannot be rows.

    ``not_before`` (UTC milliseconds) is when those may start that name no time themselves.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        default: str | None = None,
        strict: bool = False,
        not_before: int | None = None,
    ) -> None:
        self.maker = RowMaker(settings, default=default)
        self._strict = strict
        self._not_before = not_before
        self._spool = Spool(NewTask)
        self.read = 0
        self.acceptable = 0
        self.invalid = 0
        self.rejected: list[Rejected] = []
        self.queues: set[str] = set()

    def __enter__(self) -> Prepared:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._spool.__exit__(kind, error, trace)

    def take(
        self, entries: Iterable[Entry | ArticleTask | str], on_progress: Callable[[int], None] | None = None
    ) -> None:
        """Read and check entries, however slowly they come.

        Raises:
            InvalidInputError: where all have to be acceptable, one is not.
        """
        for group in _groups(entries):
            rows = self._rows(group)
            self.acceptable += len(rows)
            self._spool.add(rows)
            if on_progress:
                on_progress(self.read)

    def groups(self) -> Iterator[list[NewTask]]:
        """Return the rows in groups; it may be called again."""
        return self._spool.groups()

    def _rows(self, group: list[Entry | ArticleTask | str]) -> list[NewTask]:
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
            return self.maker.plain_row(entry, self._not_before)
        task = entry.task if isinstance(entry, Entry) else entry
        if isinstance(entry, Entry) and task is None:
            raise InvalidURLError(entry.problem)
        if not isinstance(task, ArticleTask):
            raise InvalidInputError(f"{task!r} is neither a URL nor an ArticleTask")
        return self.maker.row(task, not_before=self._not_before)

    def _reject(self, entry: Entry | ArticleTask | str, error: QueuectlError) -> None:
        if self._strict:
            raise error
        self.invalid += 1
        if isinstance(entry, Entry) and len(self.rejected) < _SHOWN_REJECTIONS:
            self.rejected.append(Rejected(entry.line, entry.text[:200], error.message))


def _groups(entries: Iterable[Entry | ArticleTask | str]) -> Iterator[list[Entry | ArticleTask | str]]:
    iterator = iter(entries)
    while group := list(islice(iterator, GROUP)):
        yield group
