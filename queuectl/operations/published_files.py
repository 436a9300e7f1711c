"""Write the published files of stored articles again, after a restore or on another machine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from queuectl.domain.task import task_name
from queuectl.domain.visible import visible
from queuectl.errors import StorageError
from queuectl.operations.opening import open_database
from queuectl.settings import Settings
from queuectl.store import articles

_GROUP = 200
_MOST_TOLD = 20


@dataclass(slots=True)
class Rebuilt:
    """How many articles there are, and how many of their files had to be written; ``failed`` names what could not."""

    articles: int = 0
    files: int = 0
    failures: int = 0
    failed: list[str] = field(default_factory=list)


def rebuild(settings: Settings, on_progress: Callable[[int], None] | None = None) -> Rebuilt:
    """Compare the files below ``articles/`` with the stored articles and write those that are missing or differ.

    Raises:
        UnreachableError: the database does not answer or does not fit.
    """
    from queuectl.handlers.article.publish import publish_again

    done, last, root = Rebuilt(), 0, settings.home / "articles"
    database = open_database(settings)
    try:
        while True:
            with database.reading() as transaction:
                group = articles.behind(transaction, last, _GROUP)
            if not group:
                return done
            for each in group:
                name = task_name(each.task_id)
                try:
                    done.files += publish_again(root, each.article, task_id=name)
                except (OSError, StorageError) as error:
                    done.failures += 1
                    if done.failures <= _MOST_TOLD:
                        done.failed.append(f"{name}: {visible(str(error), 200)}")
            done.articles += len(group)
            last = group[-1].task_id
            if on_progress:
                on_progress(done.articles)
    finally:
        database.close()


def count(settings: Settings) -> int:
    """Return how many articles are stored."""
    database = open_database(settings)
    try:
        with database.reading() as transaction:
            return articles.count(transaction)
    finally:
        database.close()
