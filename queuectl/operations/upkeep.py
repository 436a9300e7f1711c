"""Keep the database small: remove finished tasks by their age, and give SQLite's unused space back to the disk."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from queuectl.errors import ConflictError, QueuectlError
from queuectl.operations.auditing import Operation
from queuectl.operations.dead_letters import moment_days_ago
from queuectl.operations.verbs import Verbs
from queuectl.store import upkeep
from queuectl.store.database import Database

_GROUP = 1_000
_PAUSE_SECONDS = 0.01


@dataclass(slots=True)
class CleanupReport:
    """What was removed, or would be: ``before`` is the moment in UTC milliseconds, ``rows`` a number for each table.

    ``files`` is how many published files that were, and ``failures`` how many could not be removed, although their
    tasks are gone; ``problem`` is the first of these and why. ``stopped`` tells that it ended early, and ``reason``
    which error did that; it is None where somebody asked for it. What had been removed by then is removed.
    """

    before: int
    rows: Counter[str] = field(default_factory=Counter)
    files: int = 0
    failures: int = 0
    problem: str | None = None
    dry_run: bool = False
    stopped: bool = False
    reason: QueuectlError | None = None

    @property
    def tasks(self) -> int:
        """How many tasks that were."""
        return self.rows["tasks"]


class Upkeep(Verbs):
    """The part of ``QueueManager`` that keeps the database small."""

    def cleanup(
        self,
        days: float,
        *,
        articles: bool = False,
        dry_run: bool = False,
        on_progress: Callable[[int], None] | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> CleanupReport:
        """Remove tasks that ended more than ``days`` ago, with their attempts, dead letters and articles.

        It works in groups, so that daemons and submitters go on, and memory stays flat. The published
        files of the articles stay unless ``articles`` is set. Statistics go by the settings that say how long
        they are kept. ``on_progress`` is told the number of
        tasks removed so far; ``should_stop`` is asked between groups.

        Raises:
            InvalidInputError: ``days`` is no number from 0 to a century.
            UnreachableError: the database is gone, and nothing is removed. After a group that is, the report has the
                error as its ``reason``.
        """
        report = CleanupReport(moment_days_ago(days), dry_run=dry_run)
        if dry_run:
            with self._database.reading() as transaction:
                report.rows = upkeep.count(transaction, report.before)
            return report
        try:
            self._remove_groups(report, days, articles, on_progress, should_stop)
        except QueuectlError as error:
            if not report.rows.total():
                raise
            report.stopped, report.reason = True, error
        return report

    def _remove_groups(
        self,
        report: CleanupReport,
        days: float,
        articles: bool,
        on_progress: Callable[[int], None] | None,
        should_stop: Callable[[], bool] | None,
    ) -> None:
        from queuectl.operations.adding_up import forget_old  # submitting and looking need none of it

        while not report.stopped and (gone := forget_old(self._database, self.settings, _GROUP)):
            report.rows["statistics"] += gone
            report.stopped = should_stop is not None and should_stop()
            threading.Event().wait(_PAUSE_SECONDS)
        place: upkeep.Place | None = upkeep.FIRST
        operation = Operation(self._database, self.settings, "cleanup", f"--days {days:g}")
        while place is not None and not report.stopped:
            removed, place = remove_group(self._database, report.before, _GROUP, place, operation=operation)
            report.rows.update(removed.rows)
            if articles:
                remove_files(self.settings.home / "articles", removed.files, report)
            if on_progress:
                on_progress(report.tasks)
            report.stopped = should_stop is not None and should_stop()
            threading.Event().wait(_PAUSE_SECONDS)  # SQLite's write lock is not fair
        more = True
        while more and not report.stopped:
            rows, more = remove_aged(self._database, report.before, _GROUP)
            report.rows.update(rows)
            report.stopped = should_stop is not None and should_stop()
            threading.Event().wait(_PAUSE_SECONDS)


def remove_group(
    database: Database,
    before: int,
    size: int,
    after: upkeep.Place,
    *,
    keep_lettered: bool = False,
    operation: Operation | None = None,
) -> tuple[upkeep.Removed, upkeep.Place | None]:
    """Remove one group behind a place, and return the place to go on from: None when there is nothing more.

    With an ``operation`` it is a person who does it, and the audit says so.
    """
    with database.reading() as transaction:
        found = upkeep.finished(transaction, before, size, after)
    if not found:
        return upkeep.Removed(), None
    numbers = [number for _, number in found]
    try:
        with (operation or database).writing() as transaction:
            removed = upkeep.remove(transaction, numbers, before, keep_lettered=keep_lettered)
            if operation is not None and removed.rows["tasks"]:
                operation.note(transaction, removed.rows["tasks"])
    except ConflictError:
        threading.Event().wait(_PAUSE_SECONDS)
        return upkeep.Removed(), after  # another writer was in the way: the same group again
    return removed, found[-1]


def remove_aged(database: Database, before: int, size: int) -> tuple[Counter[str], bool]:
    """Remove one group of what has an age of its own and is older than a moment.

    Return the rows by table, and whether there may be more.
    """
    with database.writing() as transaction:
        removed = upkeep.remove_aged(transaction, before, size)
    return removed, any(count >= size for count in removed.values())


def remove_files(root: Path, paths: list[str], report: CleanupReport) -> None:
    """Remove published files and the folders that become empty, and add to ``report`` what came of it."""
    for path in paths:
        file = root / path
        # A path that leads out of the folder was not written by queuectl, and a link only points elsewhere.
        if ".." in Path(path).parts or not file.parent.resolve().is_relative_to(root.resolve()):
            continue
        try:
            file.unlink()
        except FileNotFoundError:
            continue
        except OSError as error:
            report.failures += 1
            report.problem = report.problem or f"{file}: {error.strerror or error}"
            continue
        report.files += 1
        _remove_if_empty(file.parent, root)


def _remove_if_empty(folder: Path, root: Path) -> None:
    while folder != root:
        try:
            folder.rmdir()
        except OSError:
            return
        folder = folder.parent
