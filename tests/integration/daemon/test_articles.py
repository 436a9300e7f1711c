"""Articles are stored with the success of their task, or not at all, and appear in the feed."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from tests.support.daemon import KINDS, POSTGRES, SQLITE, Installation, MakeInstallation

ATOM = "{http://www.w3.org/2005/Atom}"


def feed_titles(site: Installation) -> list[str | None]:
    feed = site.home / "articles" / "feed.xml"
    if not feed.exists():
        return []
    entries = ElementTree.fromstring(feed.read_bytes()).findall(f"{ATOM}entry")
    return [entry.findtext(f"{ATOM}title") for entry in entries]


@pytest.mark.parametrize("kind", KINDS)
def test_an_article_is_stored_with_its_success_alone(install: MakeInstallation, kind: str) -> None:
    site = install(kind, max_retries=0)
    site.daemon.start()
    good = site.submit(
        "p_keep_article", article={"title": "茶 & tea", "images": ["http://example.test/1.png"]}
    )
    bad = site.submit("p_keep_article", fails=True)
    site.wait_for(good, bad)
    stored = site.monitor.get_article(good)
    assert stored is not None
    assert (stored.article.title, stored.article.images) == ("茶 & tea", ("http://example.test/1.png",))
    assert stored.stored_at == site.task(good).finished_at
    assert site.monitor.get_article(bad) is None
    site.check()


@pytest.mark.parametrize("kind", [SQLITE, POSTGRES])
def test_the_feed_follows_the_articles(install: MakeInstallation, kind: str) -> None:
    site = install(kind)
    site.daemon.start()
    first = site.submit("p_keep_article", article={"title": "First <b>"})
    site.wait_for(first)
    site.witness.wait_for(lambda: feed_titles(site) == ["First <b>"], "the first article in the feed")
    second = site.submit("p_keep_article", article={"title": "Second \x1b &"})
    site.wait_for(second)
    assert site.daemon.stop() == 0, "and what is new goes into the feed before the end"
    assert feed_titles(site) == ["Second  &", "First <b>"]


def test_a_task_that_runs_again_keeps_its_last_article(install: MakeInstallation) -> None:
    site = install(SQLITE, max_retries=0)
    site.daemon.start()
    task = site.submit("p_keep_article", fails=True)
    site.wait_for(task)
    site.write(
        "UPDATE tasks SET metadata = %s WHERE id = %s",
        f'{{"witness": "{site.witness.path}", "article": {{"title": "Mended"}}}}',
        task,
    )
    site.manager.retry_task(task)
    site.wait_for(task)
    stored = site.monitor.get_article(task)
    assert stored is not None
    assert stored.article.title == "Mended"
    assert site.rows("SELECT COUNT(*) FROM articles") == [(1,)]
    site.check()
