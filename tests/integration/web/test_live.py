"""What open pages and programs are told as it happens, by one reader for all of them."""

from __future__ import annotations

import contextlib
import http.client
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from queuectl.clock import monotonic
from queuectl.errors import UnreachableError
from queuectl.operations.monitor import Monitor
from queuectl_daemon.web import live
from queuectl_daemon.web.pages import dashboard
from queuectl_daemon.web.work import BusyError, Workers
from tests.support.site import Site, basic
from tests.support.waiting import wait_until

_WITHIN = 30.0
_EVENTS = "/api/v1/events/stream"


@contextlib.contextmanager
def stream(site: Site, path: str, language: str = "en") -> Iterator[Iterator[tuple[str, Any]]]:
    """Follow a stream of events; each is its name and its content. What programs follow has begun by then."""
    connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=_WITHIN)
    headers = {"Host": f"localhost:{site.port}", "Authorization": basic(), "Accept-Language": language}
    connection.request("GET", path, headers=headers)
    response = connection.getresponse()
    assert response.status == 200
    assert response.getheader("content-type", "").startswith("text/event-stream")

    def lines() -> Iterator[str]:
        until = monotonic() + _WITHIN
        while line := response.readline().decode():
            assert monotonic() < until, f"nothing came within {_WITHIN} s but {line!r}"
            yield line.rstrip("\n")
            if line.startswith("data: "):
                until = monotonic() + _WITHIN

    def events(lines: Iterator[str]) -> Iterator[tuple[str, Any]]:
        name = "message"
        for line in lines:
            if line.startswith("event: "):
                name = line.removeprefix("event: ")
            elif line.startswith("data: "):
                yield name, json.loads(line.removeprefix("data: "))
                name = "message"

    try:
        coming = lines()
        begin = ": following" if path.startswith("/api/") else "retry: 3000"
        assert begin in coming  # reads up to there
        yield events(coming)
    finally:
        response.close()
        connection.close()


def test_a_program_follows_what_happens_to_tasks(site: Site) -> None:
    with stream(site, _EVENTS) as events:
        site.manager.submit_task("https://example.com/a")
        site.manager.cancel_task(1)
        for kind in ("submit", "cancel"):
            name, event = next(events)
            assert (name, event["task_id"], event["event"]) == ("task", "task_1", kind)


def test_a_stream_may_be_about_some_tasks_or_queues_only(plain_site: Site) -> None:
    plain_site.manager.submit_task("https://example.com/a", "low")
    with stream(plain_site, f"{_EVENTS}?queue=high") as events:
        plain_site.manager.submit_task("https://example.com/b", "low")
        plain_site.manager.submit_task("https://example.com/c", "high")
        _, event = next(events)
        assert (event["event"], event["queue"]) == ("submit", "high_priority")


def test_a_program_is_told_how_much_it_is_not_told(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "_MOST_EVENTS", 5)
    with stream(site, _EVENTS) as events:
        site.manager.submit_batch([f"https://example.com/{number}" for number in range(20)])
        assert next(events) == ("gap", {"left_out": 15})
        told = [next(events) for _ in range(5)]
        assert [event["task_id"] for _, event in told] == [f"task_{number}" for number in range(16, 21)]
        site.manager.cancel_task(1)
        assert next(events)[0] == "task"


class Trouble:
    """A database that does not answer those who ask for the status, or something else that keeps them from asking."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, error: Exception | None = None) -> None:
        self.is_there = threading.Event()
        self.seen = 0
        real = Monitor.get_realtime_status

        def troubled(monitor: Monitor) -> Any:
            if self.is_there.is_set():
                self.seen += 1
                raise error or UnreachableError("the database is away")
            return real(monitor)

        monkeypatch.setattr(Monitor, "get_realtime_status", troubled)


def test_a_program_is_told_that_nobody_knows_what_it_was_not_told(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    trouble = Trouble(monkeypatch)
    with stream(site, _EVENTS) as events:
        trouble.is_there.set()
        wait_until(lambda: trouble.seen, within=_WITHIN, describing="a look that has failed")
        site.manager.submit_task("https://example.com/a")
        trouble.is_there.clear()
        assert next(events) == ("gap", {"left_out": None})
        site.manager.cancel_task(1)
        assert next((name, event["event"]) for name, event in events) == ("task", "cancel")


def test_a_page_says_that_the_database_is_away_and_that_it_is_back(
    plain_site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    trouble = Trouble(monkeypatch)
    with (
        stream(plain_site, "/live?parts=", "zh-CN") as quiet,
        stream(plain_site, "/live?parts=tiles") as events,
    ):
        _, first = next(events)
        assert (set(first["parts"]), first["trouble"]) == ({"tiles"}, None)
        for said in ("does not answer", None):
            trouble.is_there.set() if said else trouble.is_there.clear()
            _, told = next(event for event in events if bool(event[1]["trouble"]) is bool(said))
            assert said is None or said in told["trouble"]
        assert "数据库没有响应" in next(quiet)[1]["trouble"]
        assert next(quiet)[1] == {"parts": {}, "tasks": {}, "trouble": None}


@pytest.mark.parametrize(
    "error", [RuntimeError("can't start new thread"), OSError(24, "Too many open files")]
)
def test_open_pages_go_on_after_an_error_that_nobody_has_foreseen(
    plain_site: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    trouble = Trouble(monkeypatch, error)
    with stream(plain_site, "/live?parts=") as page, stream(plain_site, _EVENTS) as events:
        trouble.is_there.set()
        assert next(page)[1]["trouble"]
        wait_until(lambda: trouble.seen > 2, within=_WITHIN, describing="more looks that have failed")
        trouble.is_there.clear()
        assert next(page)[1]["trouble"] is None
        assert next(events) == ("gap", {"left_out": None})
        plain_site.manager.submit_task("https://example.com/a")
        assert next(events)[1]["event"] == "submit"
    assert [each.getMessage() for each in caplog.records].count("the live view cannot read") == 1


def test_nothing_is_lost_while_there_is_too_much_to_do(
    plain_site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_busy = threading.Event()
    refused: list[str] = []
    real = Workers.call

    async def call(self: Workers, *args: Any, **kwargs: Any) -> Any:
        if is_busy.is_set():
            refused.append("call")
            raise BusyError
        return await real(self, *args, **kwargs)

    monkeypatch.setattr(Workers, "call", call)
    with stream(plain_site, _EVENTS) as events, stream(plain_site, "/live?parts=queues") as page:
        next(page)
        is_busy.set()
        plain_site.manager.submit_task("https://example.com/a", "low")
        plain_site.manager.cancel_task(1)
        wait_until(lambda: len(refused) > 1, within=_WITHIN, describing="looks that were refused")
        is_busy.clear()
        assert [(name, event["event"]) for name, event in (next(events), next(events))] == [
            ("task", "submit"), ("task", "cancel"),
        ]  # fmt: skip
        assert next(event for _, event in page if event["tasks"])["tasks"] == {
            "1": ["cancelled", "Cancelled"]
        }


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
    with stream(plain_site, "/live?parts=") as events, stream(plain_site, "/live?parts=tiles") as others:
        next(others)  # by now the reader has looked
        plain_site.manager.cancel_task(1)
        _, event = next(events)
        assert event["tasks"] == {"1": ["cancelled", "Cancelled"]}


def test_all_streams_share_one_reader_and_one_drawing(
    plain_site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[str] = []
    drawn: list[tuple[int, str]] = []
    real, draw = Monitor.running, dashboard._drawn

    def counted(self: Monitor, limit: int = 20) -> Any:
        looks.append("look")
        return real(self, limit)

    def drawing(desk: Any, reader: Any, moment: Any, *args: Any, **kwargs: Any) -> Any:
        drawn.append((moment.number, reader.language))
        return draw(desk, reader, moment, *args, **kwargs)

    monkeypatch.setattr(Monitor, "running", counted)
    monkeypatch.setattr(dashboard, "_drawn", drawing)
    with contextlib.ExitStack() as stack:
        streams = [
            stack.enter_context(stream(plain_site, f"/live?parts={part}", language))
            for part in ("tiles", "queues", "alerts")
            for language in ("en", "zh", "en", "zh")
        ]
        for events in streams:
            next(events)
        before = len(looks)
        wait_until(lambda: len(looks) >= before + 3, within=20, describing="some more looks")
    assert len(looks) < 12
    assert {language for _, language in drawn} == {"en", "zh"}
    assert len(set(drawn)) == len(drawn)
