"""A submission with a key is submitted once, however often and from wherever it is sent."""

from __future__ import annotations

import json
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from queuectl.clock import now_ms
from queuectl.operations.upkeep import remove_aged
from tests.support.site import Site, basic
from tests.support.waiting import wait_until

TASKS, BATCHES = "/api/v1/tasks", "/api/v1/batches"
ONE = {"url": "https://example.com/once"}


def keyed(site: Site, key: str, content: Any, path: str = TASKS, **options: Any) -> Any:
    """Send a submission with a key."""
    return site.send(path, content, headers={"Idempotency-Key": key}, **options)


def test_the_same_key_with_the_same_content_gives_the_same_task(site: Site) -> None:
    first, second = keyed(site, "k1", ONE).ok(201), keyed(site, "k1", ONE).ok(201)
    assert first == second
    assert site.manager.count_tasks() == 1
    assert keyed(site, "k2", ONE).ok(201)["task_id"] == "task_2"


def test_the_same_key_with_another_content_is_refused(site: Site) -> None:
    keyed(site, "k1", ONE).ok(201)
    assert keyed(site, "k1", {"url": "https://example.com/other"}).kind == "key_reused"
    assert site.manager.count_tasks() == 1


def test_another_user_may_have_the_same_key(site: Site) -> None:
    first, second = keyed(site, "k1", ONE).ok(201), keyed(site, "k1", ONE, login="operate").ok(201)
    assert first["task_id"] != second["task_id"]


def test_a_batch_is_submitted_once_too(site: Site) -> None:
    content = {
        "tasks": ["https://example.com/a", "https://example.com/b", "nonsense"],
        "on_duplicate": "allow",
    }
    first, second = keyed(site, "k1", content, BATCHES).ok(201), keyed(site, "k1", content, BATCHES).ok(201)
    assert first["batch_id"] == second["batch_id"] == "batch_1"
    assert first["accepted"] == second["accepted"] == 2
    assert site.manager.count_tasks() == 2


def test_many_that_send_it_at_once_get_one_task(site: Site) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: keyed(site, "k1", ONE).ok(201), range(24)))
    assert {answer["task_id"] for answer in answers} == {answers[0]["task_id"]}
    assert site.manager.count_tasks() == 1


def test_whoever_did_not_hear_the_answer_sends_it_again(site: Site) -> None:
    body = json.dumps(ONE).encode()
    head = (
        f"POST {TASKS} HTTP/1.1\r\nHost: localhost:{site.port}\r\nAuthorization: {basic()}\r\n"
        f"Content-Type: application/json\r\nIdempotency-Key: k1\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", site.port), timeout=10) as connection:
        connection.sendall(head.encode() + body)
        wait_until(lambda: site.manager.count_tasks() == 1, within=20, describing="the task to be stored")
    assert keyed(site, "k1", ONE).ok(201)["task_id"] == "task_1"
    assert site.manager.count_tasks() == 1


def test_a_refused_submission_leaves_its_key_free(site: Site) -> None:
    site.manager.update_queue_config("medium", {"max_size": 1})
    site.manager.submit_task("https://example.com/first")
    assert keyed(site, "k1", ONE).kind == "queue_full"
    site.manager.update_queue_config("medium", {"max_size": "none"})
    assert keyed(site, "k1", ONE).ok(201)["task_id"]


def test_a_key_is_forgotten_by_its_age(site: Site) -> None:
    keyed(site, "k1", ONE).ok(201)
    database = site.manager._database
    removed, _ = remove_aged(database, now_ms() - 60_000, 100)
    assert removed["submission_keys"] == 0
    removed, _ = remove_aged(database, now_ms() + 60_000, 100)
    assert removed["submission_keys"] == 1
    assert keyed(site, "k1", ONE).ok(201)["task_id"] == "task_2"


def test_a_key_that_is_none_is_refused(plain_site: Site) -> None:
    for key in ("", "x" * 201, "tab\tkey"):
        assert keyed(plain_site, key, ONE).status == 400
