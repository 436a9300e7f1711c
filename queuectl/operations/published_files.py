"""Write the published files of stored articles again: after a sudden end, after a restore, on another machine."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from queuectl.domain.task import task_name
from queuectl.domain.visible import visible
from queuectl.errors import StorageError
from queuectl.operations.opening import open_database
from queuectl.settings import Settings
from queuectl.shortage import is_shortage
from queuectl.store import articles
from queuectl.store.articles import StoredArticle

_GROUP = 200
_MOST_TOLD = 20


class Failure(NamedTuple):
    """A task whose article's files could not be written, and why."""

    task_id: int
    problem: str


@dataclass(slots=True)
class Rewritten:
    """How many articles were compared with their files, and how many of these had to be written.

    ``failures`` are the articles whose files could not be written; ``failed`` holds the first twenty. ``shortage`` says
    what this machine had run out of for one of them, which may be written another time.
    """

    articles: int = 0
    files: int = 0
    failures: int = 0
    failed: list[Failure] = field(default_factory=list)
    shortage: str | None = None


def rebuild(settings: Settings, on_progress: Callable[[int], None] | None = None) -> Rewritten:
    """Compare the files below ``articles/`` with the stored articles and write those that are missing or differ.

    Raises:
        UnreachableError: the database does not answer or does not fit.
    """
    done, last = Rewritten(), 0
    database = open_database(settings)
    try:
        while True:
            with database.reading() as transaction:
                group = articles.behind(transaction, last, _GROUP)
            if not group:
                return done
            write_again(settings.home / "articles", group, done)
            last = group[-1].task_id
            if on_progress:
                on_progress(done.articles)
    finally:
        database.close()


def write_again(root: Path, stored: Iterable[StoredArticle], done: Rewritten) -> None:
    """Write the files of these articles below ``root`` that are missing or differ, and add that to ``done``."""
    from queuectl.handlers.article.publish import publish_again

    for each in stored:
        done.articles += 1
        try:
            done.files += publish_again(root, each.article, task_id=task_name(each.task_id))
        except Exception as error:  # noqa: BLE001  whatever one article has in it must not keep the others back
            problem = _problem(error)
            done.failures += 1
            if done.failures <= _MOST_TOLD:
                done.failed.append(Failure(each.task_id, problem))
            if is_shortage(error):
                done.shortage = problem


def _problem(error: Exception) -> str:
    """Return what an error says, and of which kind it is if it was not foreseen."""
    said = str(error) if isinstance(error, (OSError, StorageError)) else f"{type(error).__name__}: {error}"
    return visible(" ".join(said.split()), 300)


def count(settings: Settings) -> int:
    """Return how many articles are stored."""
    database = open_database(settings)
    try:
        with database.reading() as transaction:
            return articles.count(transaction)
    finally:
        database.close()
