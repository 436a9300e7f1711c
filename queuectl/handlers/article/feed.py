"""Write the Atom feed of the articles."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from queuectl import __version__
from queuectl.domain.article import Article
from queuectl.handlers.article.files import folder_below, settle, write_file

DEFAULT_TITLE = "queuectl articles"
_DEFAULT_ID = "urn:queuectl:articles"
# XML has no way to carry these; the writer would raise for the whole feed.
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True)
class FeedEntry:
    """One article in the feed; times are UTC milliseconds, ``id`` an IRI that never changes."""

    id: str
    url: str
    title: str
    updated_at: int
    published_at: int | None = None
    author: str | None = None
    html: str | None = None


def entry_of(article: Article, *, task_id: str, updated_at: int) -> FeedEntry:
    """Return the feed entry for a stored article; ``updated_at`` is when its task succeeded."""
    return FeedEntry(
        id=f"{article.final_url}#{task_id}",
        url=article.final_url,
        title=article.title,
        updated_at=updated_at,
        published_at=article.published_at,
        author=article.author or article.account,
        html=article.html,
    )


def write_feed(
    entries: Sequence[FeedEntry], target: Path, *, title: str = DEFAULT_TITLE, feed_id: str = _DEFAULT_ID
) -> None:
    """Write the feed with its entries in the order given, newest first by custom.

    Raises:
        StorageError: something that is no regular file is in the way.
    """
    with folder_below(target.parent) as folder:
        write_file(folder, target.name, _atom(entries, title, feed_id))
        settle(folder, target.name)


def _atom(entries: Sequence[FeedEntry], title: str, feed_id: str) -> str:
    from feedgen.feed import FeedGenerator

    feed = FeedGenerator()
    feed.id(feed_id)
    feed.title(_plain(title))
    feed.generator("queuectl", version=__version__)
    feed.author(name="queuectl")
    feed.updated(_moment(max((entry.updated_at for entry in entries), default=0)))
    for entry in entries:
        one = feed.add_entry(order="append")
        one.id(_plain(entry.id))
        one.title(_plain(entry.title) or _plain(entry.url))
        one.link(href=_plain(entry.url), rel="alternate")
        one.updated(_moment(entry.updated_at))
        published = _published(entry)
        if published is not None:
            one.published(published)
        if entry.author:
            one.author(name=_plain(entry.author))
        if entry.html:
            one.content(_plain(entry.html), type="html")
    return str(feed.atom_str(pretty=True).decode())


def _plain(text: str) -> str:
    return _NOT_XML.sub("", text)


def _published(entry: FeedEntry) -> datetime | None:
    """Return when the article says that it was published; nothing for what no calendar has."""
    try:
        return None if entry.published_at is None else _moment(entry.published_at)
    except (TypeError, ValueError, OverflowError, OSError):
        return None


def _moment(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
