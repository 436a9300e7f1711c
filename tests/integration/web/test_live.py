"""What open pages and programs are told as it happens, by one reader for all of them."""

from __future__ import annotations

import contextlib
import http.client
import json
from collections.abc import Iterator
from typing import Any

from tests.support.site import Site, basic
from tests.support.waiting import wait_until

_LINES = 400


@contextlib.contextmanager
def stream(site: Site, path: str, language: str = "en") -> Iterator[Iterator[tuple[str, Any]]]:
    """Follow a stream of events; each is its name and its content."""
    connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=30)
    headers = {"Host": f"localhost:{site.port}", "Authorization": basic(), "Accept-Language": language}
    connection.request("GET", path, headers=headers)
    response = connection.getresponse()
    assert response.status == 200
    assert response.getheader("content-type", "").startswith("text/event-stream")

    def events() -> Iterator[tuple[str, Any]]:
        name = "message"
        for _ in range(_LINES):
            line = response.readline().decode().rstrip("\n")
            if line.startswith("event: "):
                name = line.removeprefix("event: ")
            elif line.startswith("data: "):
                yield name, json.loads(line.removeprefix("data: "))
                name = "message"

    try:
        yield events()
    finally:
        response.close()
        connection.close()


def test_a_program_follows_what_happens_to_tasks(site: Site) -> None:
    with stream(site, "/api/v1/events/stream") as events:
        site.manager.submit_task("https://example.com/before-anybody-looks")
        site.manager.submit_task("https://example.com/a")
        site.manager.cancel_task(2)
        seen: set[tuple[str, str]] = set()
        while ("task_2", "cancel") not in seen:
            name, event = next(events)
            assert name == "task"
            seen.add((event["task_id"], event["event"]))


def test_a_stream_may_be_about_some_tasks_or_queues_only(plain_site: Site) -> None:
    plain_site.manager.submit_task("https://example.com/a", "low")
    with stream(plain_site, "/api/v1/events/stream?queue=high") as events:
        plain_site.manager.submit_task("https://example.com/b", "low")
        plain_site.manager.submit_task("https://example.com/c", "high")
        _, event = next(events)
        assert (event["event"], event["queue"]) == ("submit", "high_priority")


def test_a_page_gets_the_parts_that_have_changed_in_its_language(site: Site) -> None:
    with stream(site, "/live?parts=queues,tiles,nothing", "zh-CN") as events:
        _, first = next(events)
        assert set(first["parts"]) == {"queues", "tiles"}
        assert "紧急" in first["parts"]["queues"]
        site.manager.pause_queue("low")
        _, second = next(event for event in events if "queues" in event[1]["parts"])
        assert "已暂停" in second["parts"]["queues"]


def test_a_list_of_tasks_hears_of_their_states(plain_site: Site) -> None:
    plain_site.manager.submit_task("https://example.com/a")
    with stream(plain_site, "/live?parts=") as events:
        wait_until(lambda: _is_reading(plain_site), within=10, describing="the reader to have begun")
        plain_site.manager.cancel_task(1)
        _, event = next(events)
        assert event["tasks"] == {"1": ["cancelled", "Cancelled"]}


def _is_reading(site: Site) -> bool:
    return site.get("/healthz", login=None).status == 200


def test_all_streams_share_one_reader(plain_site: Site, monkeypatch: Any) -> None:
    from queuectl.operations.monitor import Monitor

    looks: list[str] = []
    real = Monitor.running

    def counted(self: Monitor, limit: int = 20) -> Any:
        looks.append("look")
        return real(self, limit)

    monkeypatch.setattr(Monitor, "running", counted)
    with contextlib.ExitStack() as stack:
        streams = [stack.enter_context(stream(plain_site, "/live?parts=tiles")) for _ in range(12)]
        for events in streams:
            next(events)
        before = len(looks)
        wait_until(lambda: len(looks) >= before + 3, within=20, describing="some more looks")
    assert len(looks) < 12
