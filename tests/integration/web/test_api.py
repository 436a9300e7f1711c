"""The HTTP interface: the same documents as the command line, selectors, confirmations, pages of lists, and errors."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from queuectl.domain.task import ArticleTask
from tests.support.site import Site, bury

API = "/api/v1"
SAME = (
    ("list --sort created", "/tasks"),
    ("list --state scheduled --limit 2", "/tasks?state=scheduled&limit=2"),
    ("count --by queue", "/tasks/count?by=queue"),
    ("explain 2", "/tasks/2/explain"),
    ("logs 2", "/tasks/task_2/logs"),
    ("batches", "/batches"),
    ("batch-status 1", "/batches/batch_1"),
    ("queue list", "/queues"),
    ("queue show low", "/queues/low"),
    ("schedule list", "/schedules"),
    ("schedule show daily", "/schedules/daily"),
    ("schedule preview daily --next 5", "/schedules/daily/ticks?next=5"),
    ("schedule preview --cron '0 10 * * *' --zone UTC --next 3", "/ticks?cron=0+10+*+*+*&zone=UTC&next=3"),
    ("dead list", "/dead-letters"),
    ("dead list --group", "/dead-letters/groups"),
    ("audit list", "/audit"),
    ("audit show 1", "/audit/1"),
    ("audit verify", "/audit/verify"),
    ("undo --list", "/undo"),
    ("events", "/events"),
    ("articles deliveries", "/deliveries"),
    ("health", "/health"),
)  # fmt: skip
_MOVING = {"at", "earliest_start", "oldest_wait_ms", "value", "detail"}


@pytest.fixture
def filled(site: Site) -> Site:
    """Give a page on a database with something of everything."""
    for number in range(5):
        site.manager.submit_task(f"https://example.com/{number}", "high" if number % 2 else "low")
    site.manager.submit_batch(
        ["https://example.org/a", "https://example.org/b"], batch_name="每日", interval_minutes=30
    )
    (site.settings.home / "sources").mkdir()
    (site.settings.home / "sources" / "list.txt").write_text("https://example.com/x\n")
    site.scheduler.schedule_recurring(
        f"file://{site.settings.home}/sources/list.txt", "0 10 * * *", name="daily"
    )
    site.manager.update_queue_config("low", {"rate_limit": "10/m"})
    return site


def by_command(site: Site, words: str) -> Any:
    """Return what the command line prints, by a process of its own."""
    import shlex

    command = [sys.executable, "-m", "queuectl", *shlex.split(words), "--json"]
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(site.settings.home),
        "QUEUECTL_HOME": str(site.settings.home),
        "DATABASE_URL": site.settings.database_url,
    }
    done = subprocess.run(
        command, capture_output=True, env=environment, cwd=Path.cwd(), timeout=60, check=False
    )
    return json.loads(done.stdout)


def still(content: Any) -> Any:
    """Return a document without what differs from moment to moment."""
    if isinstance(content, list):
        return [still(each) for each in content]
    if isinstance(content, dict):
        return {name: still(each) for name, each in content.items() if name not in _MOVING}
    return content


def test_documents_are_those_of_the_command_line(filled: Site) -> None:
    for words, path in SAME:
        said, told = by_command(filled, words), filled.get(API + path).ok()
        assert still(told) == still(said), words


def test_one_task_and_the_status_have_the_same_fields_as_on_the_command_line(filled: Site) -> None:
    said, told = by_command(filled, "show 1"), filled.get(f"{API}/tasks/1").ok()
    assert {name: value for name, value in said.items() if name != "why"} == told
    said, told = by_command(filled, "status"), filled.get(f"{API}/status").ok()
    assert said.keys() == told.keys()
    assert still(said["queues"]) == still(told["queues"])


def test_lists_go_on_where_the_page_before_ended(filled: Site) -> None:
    seen: list[str] = []
    place = ""
    while True:
        page = filled.get(f"{API}/tasks?limit=3{place}").ok()
        seen += [task["id"] for task in page["tasks"]]
        if page["next"] is None:
            break
        place = f"&after={page['next']}"
    assert seen == [f"task_{number}" for number in range(7, 0, -1)]


def test_one_task_is_acted_on_at_once(filled: Site) -> None:
    cancelled = filled.send(f"{API}/tasks/task_1/cancel").ok()
    assert cancelled["tasks"][0]["state"] == "cancelled"
    assert filled.send(f"{API}/tasks/1/cancel").status == 409
    assert filled.send(f"{API}/tasks/1/retry").ok()["tasks"][0]["state"] == "queued"
    moved = filled.send(f"{API}/tasks/1/reprioritize", {"score": 15}).ok()
    assert moved["tasks"][0]["queue"] == "urgent_priority"
    assert filled.send(f"{API}/undo/{moved['operation']}", {}).ok()["done"] == 1
    assert filled.get(f"{API}/tasks/1").ok()["queue"] == "low_priority"


def test_many_tasks_are_acted_on_only_up_to_the_number_that_was_confirmed(filled: Site) -> None:
    wanted = {"queue": ["low"]}
    assert filled.send(f"{API}/tasks/cancel", {}).status == 400
    looked = filled.send(f"{API}/tasks/cancel", wanted | {"dry_run": True}).ok()
    assert (looked["matched"], looked["done"]) == (3, 0)
    refused = filled.send(f"{API}/tasks/cancel", wanted | {"confirm": 2})
    assert (refused.status, refused.kind, refused.document["matched"]) == (409, "not_confirmed", 3)
    assert filled.send(f"{API}/tasks/cancel", wanted).kind == "not_confirmed"
    done = filled.send(f"{API}/tasks/cancel", wanted | {"confirm": 3}).ok()
    assert (done["done"], done["failed"]) == (3, [])
    named = filled.send(f"{API}/tasks/cancel", {"id": ["task_2", "1", "99"]}).ok()
    assert named["outcomes"] == {"done": 1, "wrong_state": 1, "changed": 0, "duplicate": 0, "missing": 1}


def test_queues_are_limited_paused_and_cleared(filled: Site) -> None:
    changed = filled.send(f"{API}/queues/high", {"max_size": 7, "rate_limit": "5/m"}, method="PATCH").ok()
    assert changed["changed"]["max_size"] == {"before": "none", "after": "7"}
    assert filled.send(f"{API}/queues/high", {"max_size": "none"}, method="PATCH").ok()["changed"]
    assert filled.send(f"{API}/queues/high", {"max_size": "many"}, method="PATCH").status == 400
    assert filled.send(f"{API}/queues/high", {"size": 3}, method="PATCH").status == 400
    assert filled.send(f"{API}/queues/high/pause").ok() == {
        "version": 1, "queue": "high_priority", "paused": True, "changed": True,
    }  # fmt: skip
    assert filled.send(f"{API}/queues/low/clear", {"confirm": 2}).status == 409
    assert filled.send(f"{API}/queues/low/clear", {"confirm": 3}).ok()["cancelled"] == 3
    assert filled.get(f"{API}/queues/nothing").status == 404


def test_schedules_are_added_shown_fired_and_removed(filled: Site) -> None:
    source = f"file://{filled.settings.home}/sources/list.txt"
    added = filled.send(f"{API}/schedules", {"source": source, "cron": "*/5 * * * *", "name": "often"}).ok(
        201
    )
    assert (added["name"], len(added["next_ticks"])) == ("often", 3)
    assert filled.send(f"{API}/schedules", {"source": source, "cron": "x", "name": "b"}).status == 400
    assert (
        filled.send(f"{API}/schedules", {"source": source, "cron": "@daily", "name": "often"}).status == 409
    )
    assert filled.send(f"{API}/schedules/often/run-now", {}).ok()["accepted"] == 1
    assert filled.send(f"{API}/schedules/often/pause").ok()["changed"]
    assert filled.send(f"{API}/schedules/often/resume").ok()["changed"]
    assert filled.send(f"{API}/schedules/often", method="DELETE").ok()["removed"]
    assert filled.get(f"{API}/schedules/often").status == 404


def test_dead_letters_are_resurrected_and_purged(filled: Site) -> None:
    for number in (91, 92, 93):
        bury(filled, number, error=f"answered HTTP 404 to {number}")
    letters = [each["id"] for each in filled.get(f"{API}/dead-letters").ok()["dead_letters"]]
    groups = filled.get(f"{API}/dead-letters/groups").ok()["groups"]
    assert sum(group["count"] for group in groups) == 3
    one = filled.send(f"{API}/dead-letters/{letters[0]}/resurrect", {}).ok()
    assert one["resurrected"][0]["task_id"] == "task_11"
    assert filled.send(f"{API}/dead-letters/{letters[0]}/resurrect", {}).kind == "already_resurrected"
    wanted = {"failure": groups[0]["failure"]}
    assert filled.send(f"{API}/dead-letters/resurrect", wanted | {"dry_run": True}).ok()["matched"] == 2
    assert filled.send(f"{API}/dead-letters/resurrect", wanted | {"confirm": 2}).ok()["done"] == 2
    assert filled.send(f"{API}/dead-letters/purge", {"days": 0, "confirm": 0}).status == 409
    assert filled.send(f"{API}/dead-letters/purge", {"days": 0, "confirm": 9}).ok()["removed"] == 3


def test_what_if_changes_nothing(filled: Site) -> None:
    found = filled.send(f"{API}/simulate", {"workers": 4, "add": 100, "priority": "high"}, login="read").ok()
    assert found["what_if"] is not None
    assert filled.get(f"{API}/tasks/count").ok()["count"] == 7


def test_tasks_are_spread_over_a_window_or_it_is_said_why_not(filled: Site) -> None:
    window = {"start": "in 1h", "end": "in 9h", "max_per_hour": 2, "queue": ["low"]}
    planned = filled.send(f"{API}/optimize", window | {"dry_run": True}).ok()
    assert (planned["feasible"], planned["applied"]) == (True, False)
    refused = filled.send(f"{API}/optimize", window)
    assert (refused.status, refused.kind, refused.document["matched"]) == (409, "not_confirmed", 3)
    assert filled.send(f"{API}/optimize", window | {"confirm": 2}).kind == "not_confirmed"
    assert filled.send(f"{API}/optimize", window | {"confirm": 3}).ok()["applied"]
    tight = filled.send(f"{API}/optimize", window | {"end": "in 61m", "confirm": 3})
    assert (tight.status, tight.kind, tight.document["feasible"]) == (409, "no_plan", False)


def test_what_is_said_of_all_tasks_is_confirmed_like_any_filter(filled: Site) -> None:
    window = {"start": "in 1h", "end": "in 9h", "max_per_hour": 5}
    for verb, more in (("tasks/cancel", {}), ("optimize", window)):
        assert filled.send(f"{API}/{verb}", more).status == 400, verb
        refused = filled.send(f"{API}/{verb}", more | {"all": True})
        assert (refused.status, refused.kind, refused.document["matched"]) == (409, "not_confirmed", 7), verb
        looked = filled.send(f"{API}/{verb}", more | {"all": True, "dry_run": True})
        assert looked.status == 200, (verb, looked.text)
    assert filled.get(f"{API}/tasks/count?state=cancelled").ok()["count"] == 0
    assert filled.send(f"{API}/optimize", window | {"all": True, "confirm": 7}).ok()["applied"]
    assert filled.send(f"{API}/optimize", window | {"id": ["1", "2"]}).ok()["applied"]
    assert filled.send(f"{API}/tasks/cancel", {"all": True, "confirm": 7}).ok()["done"] == 7


def test_a_batch_that_would_go_on_for_ever_is_refused_as_a_whole(site: Site) -> None:
    urls = [f"https://example.com/{number}" for number in range(9)]
    far = {"tasks": urls, "interval_minutes": 525_600, "start_at": "9993-01-01 00:00"}
    refused = site.send(f"{API}/batches", far)
    assert (refused.status, refused.kind) == (400, "invalid_input")
    assert "beyond the year 9999" in refused.document["error"]["message"]
    for at in ("9999-12-31 23:00", "9999-12-31T23:59:59-12:00", "0001-01-01 00:30"):
        assert site.send(f"{API}/tasks", {"url": urls[0], "run_at": at}).status == 400, at
    assert site.get(f"{API}/tasks/count").ok()["count"] == 0
    assert site.send(f"{API}/batches", far | {"tasks": urls[:7]}).ok(201)["accepted"] == 7
    assert len(site.get(f"{API}/tasks").ok()["tasks"]) == 7


def test_half_a_pair_of_surrogates_in_metadata_is_shown_like_everything_else(site: Site) -> None:
    metadata = {"a": "\ud83d", "作者": "名"}
    task_id = site.manager.submit_task("https://example.com/a", metadata=metadata)
    assert site.get(f"{API}/tasks/{task_id}").ok()["metadata"] == metadata
    assert site.get(f"{API}/tasks").ok()["tasks"][0]["metadata"] == metadata
    assert "\\ud83d" in site.page(f"/tasks/{task_id.removeprefix('task_')}").text


def test_a_schedule_may_have_a_slash_in_its_name(filled: Site) -> None:
    source = f"file://{filled.settings.home}/sources/list.txt"
    filled.send(f"{API}/schedules", {"source": source, "cron": "@daily", "name": "news/daily"}).ok(201)
    for name in ("news/daily", "news%2Fdaily"):
        assert filled.get(f"{API}/schedules/{name}").ok()["name"] == "news/daily"
        assert filled.get(f"{API}/schedules/{name}/ticks?next=2").ok()["ticks"]
        assert filled.page(f"/schedules/{name}").status == 200
        assert filled.send(f"{API}/schedules/{name}/pause").ok()["changed"]
        assert filled.send(f"{API}/schedules/{name}/resume").ok()["changed"]
    assert filled.send(f"{API}/schedules/news/daily/run-now", {}).ok()["accepted"] == 1
    assert filled.send(f"{API}/schedules/news/daily", method="DELETE").ok()["removed"]
    assert filled.get(f"{API}/schedules/news/daily").status == 404


BAD = (
    ("GET", "/tasks?limit=0", None, 400),
    ("GET", "/tasks?limit=1001", None, 400),
    ("GET", "/tasks?state=lost", None, 400),
    ("GET", "/tasks?colour=red", None, 400),
    ("GET", "/tasks?url=%00", None, 400),
    ("GET", "/tasks?url=%ff", None, 400),
    ("GET", "/tasks?after=created:x", None, 400),
    ("GET", "/tasks?since=whenever", None, 400),
    ("GET", "/tasks/task_999", None, 404),
    ("GET", "/tasks/nonsense", None, 404),
    ("GET", "/batches/7", None, 404),
    ("GET", "/audit/0", None, 400),
    ("GET", "/audit/77", None, 404),
    ("POST", "/tasks", b"{}", 400),
    ("POST", "/tasks", b"[]", 400),
    ("POST", "/tasks", b"not json", 400),
    ("POST", "/tasks", b"", 400),
    ("POST", "/tasks", b'{"url": "ftp://example.com"}', 400),
    ("POST", "/tasks", b'{"url": "https://example.com", "handler": "unknown"}', 400),
    ("POST", "/tasks", b'{"url": "https://example.com", "metadata": {"a": "\\u0000"}}', 400),
    ("POST", "/tasks", b'{"url": "https://example.com", "metadata": {"\\ud800": 1}}', 400),
    ("GET", "/report?kind=daily&day=9999-12-31", None, 400),
    ("GET", "/report?kind=weekly&day=0001-01-01", None, 400),
    ("GET", "/report?kind=daily&day=0001-01-01", None, 400),
    ("POST", "/tasks", b'{"url": "https://example.com", "priority": "high", "score": 3}', 400),
    ("POST", "/tasks", b'{"url": "https://example.com", "score": 1e400}', 400),
    (
        "POST",
        "/tasks",
        b'{"url": "https://example.com", "metadata": ' + b'{"a":' * 3000 + b"1" + b"}" * 3001,
        400,
    ),
    ("POST", "/batches", b'{"tasks": []}', 400),
    ("GET", "/report?kind=daily&day=9999-12-31", None, 400),
    ("GET", "/report?kind=weekly&day=0001-01-03", None, 400),
    ("POST", "/tasks/1/cancel", b'{"force": true}', 400),
)


@pytest.mark.parametrize(("method", "path", "body", "status"), BAD, ids=lambda value: str(value)[:40])
def test_what_is_not_acceptable_is_said_in_one_clear_document(
    plain_site: Site, method: str, path: str, body: bytes | None, status: int
) -> None:
    headers = {"Content-Type": "application/json"}
    answer = plain_site.ask(method, API + path, headers=headers, body=body)
    assert answer.status == status, answer.text
    error = answer.document["error"]
    assert error["message"]
    for word in ("Traceback", "SELECT", "sqlite", str(plain_site.settings.home)):
        assert word not in answer.text


def test_a_body_that_is_no_json_by_its_name_is_refused(plain_site: Site) -> None:
    headers = {"Content-Type": "text/plain"}
    answer = plain_site.ask("POST", f"{API}/tasks", headers=headers, body=b"{}", login="operate")
    assert answer.status == 415


def test_a_body_that_is_too_large_is_refused_before_it_is_read(plain_site: Site) -> None:
    headers = {"Content-Type": "application/json", "Content-Length": str(10**9)}
    answer = plain_site.ask("POST", f"{API}/tasks", headers=headers, body=b"{}")
    assert answer.status == 413


def test_a_task_may_have_everything_that_a_submitted_one_has(site: Site) -> None:
    wanted = {
        "url": "https://example.com/文章", "score": 7, "run_at": "2h", "metadata": {"作者": "名"}, "timeout": 12.5,
        "memory_limit": 64, "max_retries": 1, "unique": True,
    }  # fmt: skip
    answer = site.send(f"{API}/tasks", wanted).ok(201)
    assert (answer["state"], answer["queue"], answer["priority_score"]) == ("scheduled", "medium_priority", 7)
    task = site.manager.get_task(answer["task_id"])
    assert (task.timeout, task.memory_limit, task.max_retries, task.metadata) == (12.5, 64, 1, {"作者": "名"})
    assert site.send(f"{API}/tasks", wanted).kind == "duplicate_task"


def test_a_batch_says_what_it_did_not_take(site: Site) -> None:
    site.manager.submit_task(ArticleTask("https://example.com/known"))
    content = {
        "name": "morning",
        "tasks": ["https://example.com/known", "nonsense", {"url": "https://example.com/b", "run_at": "x"},
                  {"url": "https://example.com/c", "priority": "urgent"}],
    }  # fmt: skip
    tried = site.send(f"{API}/batches", content | {"dry_run": True}).ok(201)
    receipt = site.send(f"{API}/batches", content).ok(201)
    assert tried["batch_id"] is None
    assert receipt["batch_id"].startswith("batch_")
    assert [receipt[name] for name in ("accepted", "duplicates", "invalid")] == [1, 1, 2]
    assert [each["line"] for each in receipt["rejected"]] == [2, 3]
