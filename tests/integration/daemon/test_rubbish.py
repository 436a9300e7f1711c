"""Whatever a handler returns, raises or keeps, the daemon goes on and the task ends with a word about it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.daemon import POSTGRES, POSTGRES_REDIS, SQLITE, MakeInstallation

UNFIT = "return_unfit"
KINDS_OF_RUBBISH = [
    *("nan", "infinity", "huge", "huge in UTF-8", "circular", "deep", "too deep to encode", "surrogate"),
    *("surrogate key", "nul", "bytes", "object", "set", "key", "huge number"),
]
SAMPLES = {
    f"{prefix}{name}": {"callable": f"tests.support.{module}:{name}", "isolation": isolation}
    for module, name in (
        ("harmful_handlers", "return_unfit"),
        ("harmful_handlers", "raise_base"),
        ("harmful_handlers", "fail_unspeakably"),
        ("harmful_handlers", "fail_with_nasty_text"),
    )
    for prefix, isolation in (("", "thread"), ("p_", "process"))
}


@pytest.mark.parametrize("kind", [SQLITE, POSTGRES_REDIS])
def test_no_rubbish_breaks_the_daemon(install: MakeInstallation, kind: str) -> None:
    site = install(kind, max_retries=1, handlers=SAMPLES)
    site.daemon.start()
    pid = site.daemon.pid
    tasks = []
    for prefix in ("", "p_"):
        tasks += [site.submit(prefix + UNFIT, kind=rubbish) for rubbish in KINDS_OF_RUBBISH]
        tasks += [
            site.submit(prefix + "raise_base", kind=name)
            for name in ("SystemExit", "KeyboardInterrupt", "GeneratorExit", "BaseException")
        ]
        tasks += [site.submit(prefix + name) for name in ("fail_unspeakably", "fail_with_nasty_text")]
    good = site.submit_many(20)
    site.wait_for(*tasks, *good)

    for task in tasks:
        found = site.task(task)
        assert (found.state, site.outcomes(task)) == ("dead", ["failed", "failed"]), found.metadata
        assert found.error, found.metadata
    assert site.daemon.pid == pid
    assert "tick has failed" not in site.daemon.log()
    site.check()


BAD_ARTICLES: list[dict[str, Any]] = [
    {"published_at": 2**63},
    {"published_at": -(2**70)},
    {"published_at": 10**17},
    {"published_at": "yesterday"},
    {"published_at": 1.5},
    {"title": None},
    {"title": 7},
    {"title": ["a", "list"]},
    {"title": "nul \x00"},
    {"title": "surrogate \ud800"},
    {"title": "control \x0b \x1b[2J"},
    {"title": "x" * 50_000},
    {"images": ["\ud800"]},
    {"images": None},
    {"images": [1, {"a": 2}]},
    {"html": {"a": 1}},
    {"markdown_path": "../../../etc/passwd"},
]


@pytest.mark.parametrize("kind", [SQLITE, POSTGRES])
def test_no_article_breaks_the_daemon(install: MakeInstallation, kind: str) -> None:
    site = install(kind, max_retries=0)
    site.daemon.start()
    tasks = [site.submit("p_keep_article", article=article) for article in BAD_ARTICLES]
    good = site.submit("p_keep_article", article={"title": "Plain"})
    site.wait_for(*tasks, good)

    assert site.task(good).state == "succeeded"
    for task, article in zip(tasks, BAD_ARTICLES, strict=True):
        assert site.task(task).state in ("succeeded", "dead"), article
    feed = site.home / "articles" / "feed.xml"
    site.witness.wait_for(lambda: feed.exists() and "Plain" in feed.read_text(), "the feed to be written")
    assert "feed has failed" not in site.daemon.log()
    assert site.daemon.stop() == 0
    site.check()


@pytest.mark.parametrize("kind", [SQLITE, POSTGRES])
def test_many_unfit_articles_at_once_do_not_end_the_daemon(install: MakeInstallation, kind: str) -> None:
    site = install(
        kind,
        max_retries=0,
        workers=8,
        handlers={"keep": {"callable": "tests.support.fault_handlers:keep_article", "isolation": "thread"}},
    )
    tasks = site.submit_many(30, "keep", article={"published_at": 2**63})
    site.daemon.start()
    site.wait_for(*tasks)
    assert site.daemon.running
    site.check()
