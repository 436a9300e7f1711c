"""Running daemons post articles to a webhook: after the commit, once for all, through refusals, silence and death."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from queuectl.domain.article_delivery import ArticleDelivery, DeliveryState
from tests.support.daemon import KINDS, POSTGRES, SQLITE, Installation, MakeInstallation
from tests.support.receiver import SECRET, Receiver, receiver
from tests.support.waiting import wait_until

__all__ = ["receiver"]

ENGINES = pytest.mark.parametrize("kind", [SQLITE, POSTGRES])


def posting(install: MakeInstallation, kind: str, receiver: Receiver, **settings: object) -> Installation:
    values: dict[str, object] = {
        "publish_webhook": receiver.url(),
        "webhook_secret": SECRET,
        "fetch_allow_networks": ["127.0.0.0/8"],
        "fetch_timeout": 2,
    }
    return install(kind, **(values | settings))


def delivery(site: Installation, task: int) -> ArticleDelivery:
    found = site.manager.get_article_delivery(task)
    assert found is not None
    return found


def wait_for_delivery(site: Installation, *tasks: int, within: float = 40) -> None:
    wait_until(
        lambda: all(delivery(site, task).state is DeliveryState.DELIVERED for task in tasks),
        within=within,
        describing="the articles to be delivered",
    )


def hurry(site: Installation) -> None:
    """Let every lease and every pause end now."""
    site.write("UPDATE article_deliveries SET next_try_at = 0 WHERE next_try_at IS NOT NULL")


@pytest.mark.parametrize("kind", KINDS)
def test_each_article_is_posted_once_and_nothing_else_is(
    install: MakeInstallation, kind: str, receiver: Receiver
) -> None:
    site = posting(install, kind, receiver, max_retries=0)
    site.daemon.start()
    good = [site.submit("p_keep_article", article={"title": f"茶 {number}"}) for number in range(8)]
    others = [site.submit("work"), site.submit("p_keep_article", fails=True)]
    site.wait_for(*good, *others)
    wait_for_delivery(site, *good)
    assert site.daemon.stop() == 0
    assert sorted(got.key for got in receiver.got) == sorted(f"task_{task}.1" for task in good)
    assert all(got.is_signed_with(SECRET) for got in receiver.got)
    titles = {json.loads(got.body)["title"] for got in receiver.got}
    assert titles == {f"茶 {number}" for number in range(8)}
    assert [site.manager.get_article_delivery(task) for task in others] == [None, None]
    site.check()


def test_articles_that_are_refused_do_not_hold_up_the_others(
    install: MakeInstallation, receiver: Receiver
) -> None:
    site = posting(install, SQLITE, receiver)
    receiver.answers = [422] * 6
    tasks = [site.submit("p_keep_article") for _ in range(9)]
    site.daemon.start()
    site.wait_for(*tasks)
    wait_until(lambda: len(receiver.got) == len(tasks), within=40, describing="each article to be posted")
    assert "tried again later" in site.daemon.log()
    states = [delivery(site, task).state for task in tasks]
    wait_until(
        lambda: sum(delivery(site, task).state is DeliveryState.DELIVERED for task in tasks) == 3,
        within=20,
        describing=f"three to be delivered, {states}",
    )


@ENGINES
def test_without_a_webhook_nothing_is_written_for_one(install: MakeInstallation, kind: str) -> None:
    site = install(kind)
    site.daemon.start()
    task = site.submit("p_keep_article")
    site.wait_for(task)
    assert site.monitor.get_article(task) is not None
    assert site.rows("SELECT COUNT(*) FROM article_deliveries") == [(0,)]


@ENGINES
def test_a_refusal_is_told_and_repeated_under_the_same_key(
    install: MakeInstallation, kind: str, receiver: Receiver
) -> None:
    site = posting(install, kind, receiver)
    receiver.answers = [503]
    site.daemon.start()
    task = site.submit("p_keep_article")
    site.wait_for(task)
    wait_until(lambda: delivery(site, task).problem, within=40, describing="the failure to be noted")
    wait_until(lambda: "not delivered to" in site.daemon.log(), within=20, describing="it to be in the log")
    assert f"task_{task}: not delivered to http://127.0.0.1/…" in site.daemon.log()
    hurry(site)
    wait_for_delivery(site, task)
    assert [got.key for got in receiver.got] == [f"task_{task}.1"] * 2


@ENGINES
def test_a_receiver_that_stays_silent_holds_up_nothing_else(
    install: MakeInstallation, kind: str, receiver: Receiver
) -> None:
    site = posting(install, kind, receiver)
    receiver.silent = True
    site.daemon.start()
    task = site.submit("p_keep_article")
    wait_until(lambda: receiver.got, within=40, describing="the article to be posted")
    site.wait_for(*(site.submit("work") for _ in range(20)))
    wait_until(lambda: delivery(site, task).problem, within=40, describing="the time-out to be noted")
    assert "did not answer in time" in str(delivery(site, task).problem)
    receiver.silent = False
    hurry(site)
    wait_for_delivery(site, task)


@ENGINES
@pytest.mark.parametrize("end", ["kill", "stop"])
def test_what_a_daemon_posted_that_could_not_note_it_is_posted_again_under_the_same_key(
    install: MakeInstallation, kind: str, end: str, receiver: Receiver
) -> None:
    site = posting(install, kind, receiver, fetch_timeout=60)
    receiver.silent = True
    site.daemon.start()
    task = site.submit("p_keep_article")
    wait_until(lambda: receiver.got, within=40, describing="the article to be posted")
    ending: Callable[[], object] = getattr(site.daemon, end)
    ending()
    assert site.task(task).state == "succeeded", "it was committed before it was posted"
    assert delivery(site, task).state is DeliveryState.WAITING
    receiver.silent = False
    hurry(site)
    site.daemon.start()
    wait_for_delivery(site, task)
    first, second = receiver.got
    assert first.key == second.key == f"task_{task}.1"
    assert first.body == second.body


def test_of_two_daemons_one_posts_each_article(
    install: MakeInstallation, neighbour: Callable[..., Installation], receiver: Receiver
) -> None:
    one = posting(install, POSTGRES, receiver)
    hook = {
        "publish_webhook": receiver.url(),
        "webhook_secret": SECRET,
        "fetch_allow_networks": ["127.0.0.0/8"],
    }
    other = neighbour(one, **hook, role="worker")
    one.daemon.start()
    other.daemon.start()
    tasks = [one.submit("p_keep_article") for _ in range(30)]
    one.wait_for(*tasks, within=60)
    wait_for_delivery(one, *tasks)
    assert sorted(got.key for got in receiver.got) == sorted(f"task_{task}.1" for task in tasks)
