"""Articles are stored with the success of their task, or not at all, and appear in the feed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest

from queuectl.domain.task import task_number
from queuectl.samples.site import SampleSite
from tests.support.daemon import KINDS, POSTGRES, SQLITE, Installation, MakeInstallation
from tests.support.waiting import wait_until

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


@pytest.fixture(scope="module")
def samples() -> Iterator[SampleSite]:
    """Give the bundled sample site."""
    with SampleSite() as site:
        yield site


def published(site: Installation, *numbers: int) -> list[Path]:
    """Return both files of each task's article."""
    found = []
    for number in numbers:
        stored = site.monitor.get_article(number)
        assert stored is not None
        found += [
            site.home / "articles" / path for path in (stored.article.markdown_path, stored.article.html_path)
        ]
    return found


@pytest.mark.parametrize("kind", [SQLITE, POSTGRES])
def test_what_a_sudden_end_took_from_the_files_is_written_again(
    install: MakeInstallation, samples: SampleSite, kind: str
) -> None:
    site = install(kind, fetch_allow_networks=["127.0.0.0/8"])
    site.daemon.start()
    numbers = [
        task_number(site.manager.submit_task(f"{samples.address}/articles/{name}.html"))
        for name in ("green-tea", "night-train")
    ]
    site.wait_for(*numbers)
    files = published(site, *numbers)
    contents = [file.read_bytes() for file in files]
    site.daemon.kill()
    missing, cut, damaged, whole = files
    missing.unlink()
    cut.write_bytes(contents[1][:100])
    damaged.write_bytes(b"\0" * len(contents[2]))
    untouched = whole.stat().st_mtime_ns
    site.daemon.start()
    wait_until(
        lambda: [file.read_bytes() if file.exists() else b"" for file in files] == contents,
        within=20,
        describing="the files to be as they were",
    )
    assert whole.stat().st_mtime_ns == untouched
    wait_until(
        lambda: "wrote 3 files of articles again" in site.daemon.log(),
        within=10,
        describing="the log to tell of it",
    )


def test_an_orderly_end_forces_files_to_the_disk_and_leaves_alone_what_stands_in_their_place(
    install: MakeInstallation, samples: SampleSite
) -> None:
    site = install(SQLITE, fetch_allow_networks=["127.0.0.0/8"])
    site.daemon.start()
    number = task_number(site.manager.submit_task(f"{samples.address}/articles/green-tea.html"))
    site.wait_for(number)
    markdown, page = published(site, number)
    markdown.unlink()
    markdown.symlink_to("/etc/hostname")
    assert site.daemon.stop() == 0
    assert markdown.is_symlink()
    assert page.stat().st_size > 1000
