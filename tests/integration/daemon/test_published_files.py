"""The files of a node that ended without a word: looked at until they are there, and one article by itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from queuectl.domain.lifecycle import Move
from queuectl.errors import StorageError
from queuectl.settings import Settings
from queuectl.store import articles
from queuectl.store.database import Database
from queuectl_daemon import chores
from queuectl_daemon.chores import Chores
from queuectl_daemon.feed import FeedWriter
from queuectl_daemon.published import PublishedFiles
from queuectl_daemon.ticker import Ticker
from tests.support.descriptors import no_free_descriptor
from tests.support.factories import NODE, an_article, ending, finish, new_task, started, submit
from tests.support.waiting import wait_until

_NEVER = 10**17
"""A moment that no calendar has."""


@pytest.fixture
def ticker() -> Iterator[Ticker]:
    ticker = Ticker()
    yield ticker
    ticker.stop()


@pytest.fixture
def files(database: Database, settings: Settings) -> PublishedFiles:
    return PublishedFiles(database, settings.home)


def publish(database: Database, number: int, published_at: int | None = None) -> None:
    """Let a task of the node succeed with an article whose files are named after the number, and are not there."""
    with database.writing() as transaction:
        row = new_task(number)
        (task,) = submit(transaction, row)
        article = an_article(
            markdown_path=f"{number}.md", html_path=f"{number}.html", published_at=published_at
        )
        work = started(transaction, task, row.queue)
        articles.save(transaction, finish(transaction, [ending(work, Move.SUCCEED, article=article)]))


def written(settings: Settings) -> set[str]:
    """Return the names of the files that are there."""
    return {path.name for path in Path(settings.home / "articles").glob("[0-9]*")}


def test_they_are_looked_at_until_the_database_answers(
    database: Database,
    settings: Settings,
    files: PublishedFiles,
    ticker: Ticker,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    publish(database, 1)
    monkeypatch.setattr(chores, "_MEND_SECONDS", 0.2)
    work = Chores(database, settings, "another", wake=lambda: None, on_late=lambda late: None, ticker=ticker)
    ticker.start()
    with no_free_descriptor():  # so that no connection can be made
        work.publish(files, FeedWriter(database, settings.home, lambda: 0), NODE)
        wait_until(
            lambda: any(each.getMessage().startswith("published files") for each in caplog.records),
            within=30,
            describing="a look that has failed",
        )
    wait_until(lambda: written(settings) == {"1.md", "1.html"}, within=30, describing="the files")


def test_an_article_that_cannot_be_written_keeps_no_other_back(
    database: Database, settings: Settings, files: PublishedFiles, caplog: pytest.LogCaptureFixture
) -> None:
    for number, published_at in ((1, None), (2, _NEVER), (3, None)):
        publish(database, number, published_at)
    files.mend(NODE)
    assert written(settings) >= {"1.md", "1.html", "3.md", "3.html"}
    assert any(
        "the files of task_2 cannot be written again: " in each.getMessage() for each in caplog.records
    )


def test_what_there_is_no_descriptor_for_is_written_another_time(
    database: Database, settings: Settings, files: PublishedFiles
) -> None:
    publish(database, 1)
    files.mend(NODE)  # whose connection and modules are there from now on
    publish(database, 2)
    with no_free_descriptor(), pytest.raises(StorageError, match="cannot be written again now"):
        files.mend(NODE)
    files.mend(NODE)
    assert written(settings) == {"1.md", "1.html", "2.md", "2.html"}
