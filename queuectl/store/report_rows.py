"""What a report reads besides the statistics: articles, ticks and long runs, as far as their rows are still there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from queuectl.store.database import Transaction
from queuectl.store.rows import placeholders

_ENDED = "WHERE finished_at >= %s AND finished_at < %s AND move <> 'release'"


@dataclass(frozen=True, slots=True)
class StoredTitle:
    """An article as a list names it; ``stored_at`` is UTC milliseconds."""

    task_id: int
    title: str
    account: str | None
    address: str
    stored_at: int


@dataclass(frozen=True, slots=True)
class ArticlesStored:
    """How many articles were stored in a period, in which languages, and the newest of them."""

    number: int
    languages: Mapping[str | None, int]
    newest: list[StoredTitle]


@dataclass(frozen=True, slots=True)
class ScheduleTicks:
    """The ticks of a schedule in a period by their outcome; ``tasks`` came of them, ``missed`` they made up for."""

    schedule: str
    ticks: int
    submitted: int
    skipped: int
    failed: int
    missed: int
    tasks: int


@dataclass(frozen=True, slots=True)
class LongRun:
    """One run that has ended; times are UTC milliseconds, ``took`` milliseconds."""

    task_id: int
    attempt: int
    outcome: str
    started_at: int
    took: int
    queue: str
    address: str
    title: str | None


def articles(transaction: Transaction, begin: int, end: int, newest: int) -> ArticlesStored:
    """Return what was stored from ``begin`` on and before ``end`` (UTC milliseconds)."""
    languages = transaction.rows(
        "SELECT language, COUNT(*) FROM articles WHERE stored_at >= %s AND stored_at < %s"
        " GROUP BY language ORDER BY COUNT(*) DESC, language",
        (begin, end),
    )
    rows = transaction.rows(
        "SELECT task_id, title, account, final_url, stored_at FROM articles WHERE stored_at >= %s"
        " AND stored_at < %s ORDER BY stored_at DESC, task_id DESC LIMIT %s",
        (begin, end, newest),
    )
    counts = {language: int(number) for language, number in languages}
    return ArticlesStored(sum(counts.values()), counts, [StoredTitle(*row) for row in rows])


def count_articles(transaction: Transaction, begin: int, end: int) -> int:
    """Return how many articles were stored in a period."""
    rows = transaction.rows(
        "SELECT COUNT(*) FROM articles WHERE stored_at >= %s AND stored_at < %s", (begin, end)
    )
    return int(rows[0][0])


def count_runs(transaction: Transaction, begin: int, end: int) -> tuple[int, int]:
    """Return how many runs are there that ended in a period, and how many of them succeeded."""
    rows = transaction.rows(
        f"SELECT COUNT(*), COALESCE(SUM(CASE WHEN move = 'succeed' THEN 1 ELSE 0 END), 0) FROM attempts {_ENDED}",
        (begin, end),
    )
    return int(rows[0][0]), int(rows[0][1])


def ticks(transaction: Transaction, begin: int, end: int) -> list[ScheduleTicks]:
    """Return what the schedules that are there did in a period, those with most tasks first."""
    rows = transaction.rows(
        "SELECT name, COUNT(*), SUM(CASE WHEN outcome = 'submitted' THEN 1 ELSE 0 END),"
        " SUM(CASE WHEN outcome = 'skipped' THEN 1 ELSE 0 END),"
        " SUM(CASE WHEN outcome IN ('refused', 'failed') THEN 1 ELSE 0 END), SUM(missed), SUM(accepted)"
        " FROM ticks JOIN schedules ON schedules.id = schedule_id WHERE fired_at >= %s AND fired_at < %s"
        " GROUP BY name ORDER BY SUM(accepted) DESC, name",
        (begin, end),
    )
    return [ScheduleTicks(row[0], *(int(number) for number in row[1:])) for row in rows]


def longest_runs(transaction: Transaction, begin: int, end: int, most: int) -> list[LongRun]:
    """Return the runs that took longest of those that ended in a period."""
    rows = transaction.rows(
        "SELECT task_id, attempt, outcome, started_at, finished_at - started_at AS took"
        f" FROM attempts {_ENDED} ORDER BY took DESC, task_id, fence LIMIT %s",
        (begin, end, most),
    )
    known = {
        task: (queue, address, title)
        for task, queue, address, title in transaction.rows(
            "SELECT tasks.id, queue, COALESCE(final_url, tasks.url), title FROM tasks"
            f" LEFT JOIN articles ON task_id = tasks.id WHERE tasks.id IN ({placeholders(rows)})",
            [row[0] for row in rows],
        )
    }
    return [
        LongRun(task, attempt, outcome, started, took, *known[task])
        for task, attempt, outcome, started, took in rows
        if task in known
    ]
