"""The whole handler, from a URL on the sample site to the published files."""

from __future__ import annotations

import json
import logging
import subprocess
import sys

import lxml.html
import pytest
from markdown_it import MarkdownIt

from queuectl.domain.article import Article
from queuectl.errors import PermanentError, RetryableError
from queuectl.handlers.article import make
from queuectl.handlers.contract import HandlerTask
from queuectl.samples.site import SampleSite
from queuectl.settings import Settings


class Recorder:
    """A context that remembers what the handler told it, and cancels after a given step."""

    def __init__(self, cancel_after: str | None = None) -> None:
        self.steps: list[tuple[float, str]] = []
        self.articles: list[Article] = []
        self.log = logging.getLogger("test")
        self._cancel_after = cancel_after

    @property
    def cancelled(self) -> bool:
        return self._cancel_after in ("", *(note for _, note in self.steps))

    def progress(self, fraction: float, note: str = "") -> None:
        self.steps.append((fraction, note))

    def keep(self, article: Article) -> None:
        self.articles.append(article)


@pytest.fixture(scope="module")
def samples():
    """Give the running sample site; it asks to come back once in its life."""
    with SampleSite() as site:
        yield site


@pytest.fixture
def handler(home):
    """Give the article handler with an empty home; the loopback networks are open to it."""
    handler = make(
        Settings(home=home, database_url="sqlite:///unused", fetch_allow_networks=("127.0.0.0/8",))
    )
    yield handler
    handler.close()


def task(url, number=1):
    return HandlerTask(id=f"task_{number}", url=url)


def test_every_sample_becomes_an_article_with_its_facts(samples, handler, home):
    expected = {
        "wechat-rain-garden": (
            "楼下那块总积水的草坪，后来成了雨水花园",
            "林小满",
            "城市水志",
            "2024-06-21",
            "zh",
        ),
        "lighthouse-lens": (
            "The Lamp That Learned to Reach",
            "Maren Holt",
            "Coastal Notes",
            "2024-03-18",
            "en",
        ),
        "green-tea": ("一杯绿茶的三分钟", "沈知夏", None, "2024-04-05", "zh"),
        "reading-logs": (
            "Counting the Slow Requests Without Loading the File",
            "Priya Anand",
            None,
            "2024-08-22",
            "en",
        ),
        "wechat-photo-script": (
            "把一万四千张照片按年月分好 & 一个后悔的机会",
            None,
            "周末写脚本",
            "2024-03-09",
            "zh",
        ),
        "old-bookshop": ("旧书店的最后一个星期六", "顾长风", None, "2023-12-16", "zh"),
        "sourdough-week": (
            "Bread for People Who Work: a Sourdough Week",
            "Tomas Reyl",
            None,
            "2024-05-06",
            "en",
        ),
        "contour-lines": ("读懂一张等高线地图", "阿岭", None, "2024-09-14", "zh"),
        "night-train": ("Eleven Hours, One Window", "Jonas Weidt", None, "2023-11-02", "en"),
        "hub-bearings": ("Workshop: giving a bicycle hub ten more years", None, None, "2024-02-11", "en"),
        "morning-market": ("凌晨四点的菜市场", "许禾", None, "2024-10-26", "zh"),
        "rain-gauge": (
            "What a Year of Rain Looks Like From One Garden",
            "Ines Falk",
            None,
            "2025-01-04",
            "en",
        ),
    }
    found = {}
    for number, name in enumerate(expected, 1):
        context = Recorder()
        result = handler(task(f"{samples.address}/articles/{name}.html", number), context)
        (article,) = context.articles
        day = (home / "articles" / article.markdown_path).read_text().split('published: "')[1][:10]
        found[name] = (article.title, article.author, article.account, day, article.language)
        assert result["title"] == article.title
        assert result["words"] > 300
        assert [note for _, note in context.steps] == ["fetched"]
        json.dumps(result)
    assert found == expected


def test_both_files_of_a_sample_say_the_same(samples, handler, home):
    for number, (url, _) in enumerate(samples.urls, 1):
        if "/articles/" not in url or "moved" in url:
            continue
        result = handler(task(url, number), Recorder())
        markdown = (home / "articles" / result["markdown_path"]).read_text().split("---\n", 2)[2]
        page = lxml.html.fromstring((home / "articles" / result["html_path"]).read_text())
        page.find(".//header/h1").tail = None
        for byline in page.findall(".//header/p"):
            byline.drop_tree()
        shown = lxml.html.fromstring(
            f"<div>{MarkdownIt('commonmark').enable('table').render(markdown)}</div>"
        )
        assert words_of(shown) == words_of(page.find(".//article"))
        assert [image.get("src") for image in shown.iter("img")] == [
            image.get("src") for image in page.iter("img")
        ]


def words_of(element):
    return "".join("".join(element.itertext()).split())


def test_the_samples_that_are_no_simple_pages_behave_as_they_should(samples, handler):
    urls = [url for url, _ in samples.urls]
    missing, slow, busy = (next(url for url in urls if part in url) for part in ("moved", "/slow/", "/busy/"))
    with pytest.raises(PermanentError, match="404"):
        handler(task(missing), Recorder())
    with pytest.raises(RetryableError) as later:
        handler(task(busy), Recorder())
    assert later.value.retry_after == 1
    assert handler(task(busy), Recorder())["title"]
    assert handler(task(slow), Recorder())["title"]


def test_the_pictures_of_the_samples_exist(samples, handler):
    for url, _ in samples.urls:
        if "/articles/" in url and "moved" not in url:
            context = Recorder()
            handler(task(url), context)
            for source in context.articles[0].images:
                assert handler._fetcher.get(source, types=frozenset({"image/svg+xml"})).body.startswith(
                    b"<svg"
                )


@pytest.mark.parametrize(("step", "steps"), [("", []), ("fetched", ["fetched"])])
def test_a_cancelled_task_stops_at_the_next_step(samples, handler, home, step, steps):
    context = Recorder(cancel_after=step)
    with pytest.raises(RetryableError, match="stopped"):
        handler(task(f"{samples.address}/articles/green-tea.html"), context)
    assert [note for _, note in context.steps] == steps
    assert context.articles == []
    assert not (home / "articles").exists()


def test_without_a_word_in_the_settings_this_machine_is_out_of_reach(samples, home):
    handler = make(Settings(home=home, database_url="sqlite:///unused"))
    with pytest.raises(PermanentError, match=r"refused to fetch from 127\.0\.0\.1") as refusal:
        handler(task(samples.urls[0][0]), Recorder())
    assert "fetch_allow_networks" in (refusal.value.hint or "")
    handler.close()


def test_the_limits_of_the_settings_are_kept(samples, home):
    handler = make(
        Settings(
            home=home,
            database_url="sqlite:///unused",
            fetch_allow_networks=("127.0.0.0/8",),
            fetch_max_bytes=1000,
        )
    )
    with pytest.raises(PermanentError, match="larger than 1,000 bytes"):
        handler(task(samples.urls[0][0]), Recorder())
    handler.close()


def test_a_title_of_markup_is_only_text_in_both_files(handler, home, site):
    prose = "".join(f"<p>This is paragraph {n} of an article, and it says a few words.</p>" for n in range(8))
    title = "&lt;img src=x onerror=alert(1)&gt; *x* ../../x"
    result = handler(
        task(site.page("/a", f"<html><body><article><h1>{title}</h1>{prose}</article></body></html>")),
        Recorder(),
    )
    page = lxml.html.fromstring((home / "articles" / result["html_path"]).read_text())
    assert page.findtext(".//h1") == "<img src=x onerror=alert(1)> *x* ../../x"
    assert page.find(".//img") is None
    assert "<img" not in (home / "articles" / result["markdown_path"]).read_text().split("---\n", 2)[
        2
    ].replace("\\<img", "")


def test_the_command_line_can_import_the_handlers_name_cheaply():
    heavy = "trafilatura lxml httpx2 httpcore2 nh3 markdownify bs4 feedgen chardet"
    code = (
        "import sys, queuectl.handlers.article, queuectl.handlers.article.feed, queuectl.handlers.contract;"
        f"print([name for name in {heavy!r}.split() if name in sys.modules])"
    )
    assert (
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout.strip()
        == "[]"
    )
