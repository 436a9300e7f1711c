"""Published files are written again from the stored articles: what is missing or differs, and as much as can be."""

from __future__ import annotations

from queuectl.domain.lifecycle import Move
from queuectl.operations.published_files import Rewritten, count, rebuild
from queuectl.settings import Settings
from queuectl.store import articles
from queuectl.store.database import Database
from tests.support.factories import an_article, ending, finish, new_task, started, submit


def publish(database: Database, number: int) -> int:
    """Return a task that succeeded with an article whose files are named after the number."""
    with database.writing() as transaction:
        row = new_task(number)
        (task,) = submit(transaction, row)
        article = an_article(markdown_path=f"2026/11/{number}.md", html_path=f"2026/11/{number}.html")
        work = started(transaction, task, row.queue)
        articles.save(transaction, finish(transaction, [ending(work, Move.SUCCEED, article=article)]))
    return task


def test_what_is_missing_or_differs_is_written_and_the_rest_left(
    database: Database, settings: Settings
) -> None:
    for number in range(3):
        publish(database, number)
    seen: list[int] = []
    assert rebuild(settings, seen.append) == Rewritten(articles=3, files=6)
    assert seen == [3]
    folder = settings.home / "articles" / "2026" / "11"
    (folder / "0.md").unlink()
    (folder / "1.html").write_text("something else")
    untouched = (folder / "2.md").stat().st_mtime_ns
    assert rebuild(settings) == Rewritten(articles=3, files=2)
    assert (folder / "2.md").stat().st_mtime_ns == untouched
    assert "茶" in (folder / "1.html").read_text(encoding="utf-8")
    assert count(settings) == 3


def test_what_stands_in_the_way_is_told_and_keeps_nothing_else_back(
    database: Database, settings: Settings
) -> None:
    tasks = [publish(database, number) for number in range(25)]
    folder = settings.home / "articles" / "2026" / "11"
    for number in range(24):
        (folder / f"{number}.md").mkdir(parents=True)
    done = rebuild(settings)
    assert (done.articles, done.failures, len(done.failed)) == (25, 24, 20)
    assert [each.task_id for each in done.failed] == tasks[:20]
    assert all(each.problem for each in done.failed)
    assert {path.name for path in folder.iterdir() if path.is_file()} >= {"24.md", "24.html"}
