"""Articles reach their webhook: signed, once for all nodes, again under the same key after a failure, never early."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from queuectl.domain.article_delivery import (
    FEWEST_TRIES,
    GIVE_UP_MS,
    ArticleDelivery,
    DeliveryCounts,
    DeliveryState,
)
from queuectl.errors import ArticleNotFoundError, RefusedError, TaskNotFoundError
from queuectl.operations.article_delivery import ArticleDeliveries
from queuectl.operations.delivery_control import DeliveryControl
from queuectl.operations.manager import QueueManager
from queuectl.settings import Settings
from queuectl.store.database import Database
from tests.support.factories import succeed_with_article, undone
from tests.support.receiver import SECRET, Receiver, receiver, with_nothing

__all__ = ["receiver"]


@pytest.fixture
def wanted(settings: Settings, receiver: Receiver) -> Settings:
    """Give settings by which articles are posted to the receiver."""
    return replace(
        settings,
        publish_webhook=receiver.url("/hook?key=7"),
        webhook_secret=SECRET,
        fetch_allow_networks=("127.0.0.0/8",),
        fetch_timeout=5.0,
    )


@pytest.fixture
def control(wanted: Settings, database: Database) -> Iterator[DeliveryControl]:
    """Give the verbs."""
    manager = QueueManager(wanted, database)
    yield manager
    manager.close()


def store(database: Database, number: int = 1, **fields: Any) -> int:
    with database.writing() as transaction:
        return succeed_with_article(transaction, number, **fields)


def change(database: Database, sql: str, *params: object) -> None:
    with database.writing() as transaction:
        transaction.execute(sql, params)


def hurry(database: Database) -> None:
    """Let the next try of everything that waits come now."""
    change(database, "UPDATE article_deliveries SET next_try_at = 0 WHERE next_try_at IS NOT NULL")


def found(control: DeliveryControl, task: int) -> ArticleDelivery:
    delivery = control.get_article_delivery(task)
    assert delivery is not None
    return delivery


def try_once(deliveries: ArticleDeliveries) -> str | None:
    delivery = deliveries.take()
    assert delivery is not None
    return deliveries.carry_out(delivery).problem


def test_an_article_is_posted_whole_and_signed(
    database: Database, wanted: Settings, control: DeliveryControl, receiver: Receiver
) -> None:
    task = store(database, metadata='{"source": "茶", "half": "\\ud83d"}')
    deliveries = ArticleDeliveries(database, wanted)
    assert try_once(deliveries) is None
    assert deliveries.take() is None
    (got,) = receiver.got
    assert got.path == "/hook?key=7"
    assert got.is_signed_with(SECRET)
    assert got.headers["content-type"] == "application/json"
    assert got.headers["queuectl-event"] == "article.published"
    assert got.key == got.headers["webhook-id"] == f"task_{task}.1"
    content = json.loads(got.body)
    assert content.pop("stored_at").endswith("Z")
    assert content.pop("published_at").endswith("Z")
    assert content == {
        "version": 1,
        "event": "article.published",
        "id": f"task_{task}.1",
        "task_id": f"task_{task}",
        "attempt": 1,
        "batch_id": None,
        "priority": "medium",
        "url": "https://example.com/1",
        "final_url": "https://example.com/a?full=1",
        "title": "茶 & tea",
        "author": "Ann",
        "account": None,
        "language": "en",
        "markdown_path": "1.md",
        "html_path": "1.html",
        "images": ["https://example.com/a.png", "https://example.com/茶.png"],
        "metadata": {"source": "茶", "half": "\ud83d"},
    }
    delivery = found(control, task)
    assert (delivery.state, delivery.tries, delivery.problem) == (DeliveryState.DELIVERED, 1, None)
    assert delivery.delivered_at is not None
    assert control.list_article_deliveries() == []


def test_the_text_comes_along_where_it_is_wanted(
    database: Database, wanted: Settings, receiver: Receiver
) -> None:
    store(database)
    assert try_once(ArticleDeliveries(database, replace(wanted, publish_webhook_text=True))) is None
    content = json.loads(receiver.got[0].body)
    assert (content["markdown"], content["html"]) == ("# 茶 & tea", "<h1>茶 &amp; tea</h1>")


def test_nothing_is_posted_of_what_is_not_committed(
    database: Database, wanted: Settings, receiver: Receiver
) -> None:
    with undone(database) as transaction:
        succeed_with_article(transaction)
    assert ArticleDeliveries(database, wanted).take() is None
    assert receiver.got == []


def test_what_is_refused_is_posted_again_under_the_same_key(
    database: Database, wanted: Settings, control: DeliveryControl, receiver: Receiver
) -> None:
    receiver.answers = [503, 302, 404]
    task = store(database)
    deliveries = ArticleDeliveries(database, wanted)
    pauses = []
    for status in (503, 302, 404):
        taken = deliveries.take()
        assert taken is not None
        tried = deliveries.carry_out(taken)
        assert tried.problem == f"127.0.0.1:{receiver.server_port} answered {status}"
        assert deliveries.take() is None, "not at once"
        assert tried.is_well is (status != 503), "who refuses one article may take the next"
        (shown,) = control.list_article_deliveries()
        assert (shown.state, shown.problem) == (DeliveryState.WAITING, tried.problem)
        with database.reading() as transaction:
            pauses.append(round((tried.next_try_at or 0) - transaction.now(), -4))
        hurry(database)
    assert pauses == [30_000, 60_000, 120_000]
    assert control.count_article_deliveries().failing == 1
    assert try_once(deliveries) is None
    assert {got.key for got in receiver.got} == {f"task_{task}.1"}
    assert len({got.body for got in receiver.got}) == 1, "a receiver may compare"
    delivery = found(control, task)
    assert (delivery.state, delivery.tries, delivery.problem) == (DeliveryState.DELIVERED, 4, None)
    assert control.count_article_deliveries() == DeliveryCounts(0, 0, 0)


@pytest.mark.parametrize(
    ("status", "asked", "pause"),
    [(429, "600", 600_000), (503, "5", 30_000), (503, "99999999", 86_400_000), (500, "soon", 30_000)],
)
def test_a_receiver_may_say_when_to_come_again(
    database: Database, wanted: Settings, receiver: Receiver, status: int, asked: str, pause: int
) -> None:
    receiver.always, receiver.manner = status, partial(with_nothing, retry_after=asked)
    store(database)
    deliveries = ArticleDeliveries(database, wanted)
    taken = deliveries.take()
    assert taken is not None
    tried = deliveries.carry_out(taken)
    assert (tried.is_well, tried.asked is None) == (False, asked == "soon")
    with database.reading() as transaction:
        assert round((tried.next_try_at or 0) - transaction.now(), -4) == pause


def test_after_three_days_it_is_given_up_until_a_person_says_otherwise(
    database: Database, wanted: Settings, control: DeliveryControl, receiver: Receiver
) -> None:
    receiver.always = 500
    task = store(database)
    deliveries = ArticleDeliveries(database, wanted)
    change(database, "UPDATE article_deliveries SET begun_at = begun_at - %s", GIVE_UP_MS)
    assert try_once(deliveries) is not None
    assert found(control, task).state is DeliveryState.WAITING, "it may have lain there while no daemon ran"
    change(database, "UPDATE article_deliveries SET next_try_at = 0, tries = %s", FEWEST_TRIES - 1)
    assert try_once(deliveries) is not None
    delivery = found(control, task)
    assert (delivery.state, delivery.next_try_at) == (DeliveryState.GIVEN_UP, None)
    assert "answered 500" in str(delivery.problem)
    assert deliveries.take() is None
    assert control.count_article_deliveries() == DeliveryCounts(0, 0, 1)
    assert control.list_article_deliveries() == [delivery]
    receiver.always = 200
    assert control.deliver_failed_articles() == [f"task_{task}"]
    assert control.deliver_failed_articles() == []
    assert try_once(deliveries) is None
    assert found(control, task).state is DeliveryState.DELIVERED


def test_what_a_dead_node_had_posted_is_posted_again_under_the_same_key(
    database: Database, wanted: Settings, control: DeliveryControl, receiver: Receiver
) -> None:
    task = store(database)
    dead, other = ArticleDeliveries(database, wanted), ArticleDeliveries(database, wanted)
    taken = dead.take()
    assert taken is not None
    assert other.take() is None
    hurry(database)  # the lease ends
    again = other.take()
    assert again is not None
    assert again.key == taken.key
    dead.note(taken, "it has lived on, and comes too late", is_well=False)
    delivery = found(control, task)
    assert (delivery.problem, delivery.next_try_at, delivery.tries) == (None, again.next_try_at, 2)
    assert other.carry_out(again).problem is None
    assert found(control, task).state is DeliveryState.DELIVERED


def test_many_nodes_post_each_article_once(database: Database, wanted: Settings, receiver: Receiver) -> None:
    tasks = [store(database, number) for number in range(30)]
    start = threading.Barrier(4)
    problems: list[str | None] = []

    def work() -> None:
        own = Database(wanted.database_url)
        deliveries = ArticleDeliveries(own, wanted)
        start.wait(30)
        while (delivery := deliveries.take()) is not None:
            problems.append(deliveries.carry_out(delivery).problem)
        own.close()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(60)
    assert problems == [None] * 30
    assert sorted(got.key for got in receiver.got) == sorted(f"task_{task}.1" for task in tasks)


def test_the_address_is_guarded_as_every_other(
    database: Database, wanted: Settings, receiver: Receiver
) -> None:
    store(database)
    problem = try_once(ArticleDeliveries(database, replace(wanted, fetch_allow_networks=())))
    assert "127.0.0.1" in str(problem)
    assert receiver.got == []


def test_any_stored_article_can_be_delivered_whether_it_was_before_or_not(
    database: Database, wanted: Settings, control: DeliveryControl, receiver: Receiver
) -> None:
    old, new = store(database, 1, delivers=False), store(database, 2)
    deliveries = ArticleDeliveries(database, wanted)
    assert try_once(deliveries) is None
    assert control.get_article_delivery(old) is None
    assert control.deliver_articles([f"task_{new}", old]) == [f"task_{old}", f"task_{new}"]
    assert found(control, new).state is DeliveryState.WAITING
    assert try_once(deliveries) is None
    assert try_once(deliveries) is None
    assert [got.key for got in receiver.got] == [f"task_{new}.1", f"task_{old}.1", f"task_{new}.1"]


def test_of_ids_without_an_article_none_is_delivered(
    database: Database, wanted: Settings, control: DeliveryControl
) -> None:
    task = store(database, delivers=False)
    with pytest.raises(ArticleNotFoundError, match="task_999 has no article; nothing is delivered"):
        control.deliver_articles([task, 999])
    with pytest.raises(TaskNotFoundError):
        control.deliver_articles(["nonsense"])
    assert control.get_article_delivery(task) is None
    with database.reading() as transaction:
        assert transaction.rows("SELECT COUNT(*) FROM audit WHERE verb = 'articles deliver'") == [(0,)]


def test_without_a_webhook_the_verbs_refuse(database: Database, settings: Settings) -> None:
    task = store(database)
    manager = QueueManager(settings, database)
    for verb in (lambda: manager.deliver_articles([task]), manager.deliver_failed_articles):
        with pytest.raises(RefusedError, match="no webhook is configured"):
            verb()


def test_a_delivery_goes_with_its_task(
    database: Database, wanted: Settings, control: DeliveryControl, receiver: Receiver
) -> None:
    store(database)
    taken = ArticleDeliveries(database, wanted).take()
    assert taken is not None
    change(database, "UPDATE tasks SET finished_at = 1")
    QueueManager(wanted, database).cleanup(0)
    assert control.count_article_deliveries() == DeliveryCounts(0, 0, 0)
    assert ArticleDeliveries(database, wanted).carry_out(taken).problem is None
    assert receiver.got == [], "nobody wants to hear of what was removed"
