"""Keep the Atom feed of published articles in step with the database."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from queuectl.domain.task import task_name
from queuectl.store import articles
from queuectl.store.articles import StoredArticle
from queuectl.store.database import Database

_ENTRIES = 50


class FeedWriter:
    """Write the feed anew when articles have been stored since the last time."""

    def __init__(self, database: Database, home: Path, stored: Callable[[], int]) -> None:
        self._database = database
        self._target = home / "articles" / "feed.xml"
        self._stored = stored
        self._written = -1

    def write_if_new(self) -> None:
        """Write the newest articles, if there are any that the feed does not have."""
        stored = self._stored()
        if stored == self._written:
            return
        with self._database.reading() as transaction:
            latest = articles.latest(transaction, _ENTRIES)
        if latest:
            self._write(latest)
        self._written = stored

    def _write(self, latest: list[StoredArticle]) -> None:
        # Imported here because it costs memory that a daemon without articles never needs.
        from queuectl.handlers.article.feed import entry_of, write_feed

        write_feed(
            [
                entry_of(each.article, task_id=task_name(each.task_id), updated_at=each.stored_at)
                for each in latest
            ],
            self._target,
        )
