"""One task at a time: what the guide shows works, what is wrong is refused, and times mean what people mean."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from queuectl import ArticleTask, QueueManager, Settings
from queuectl.clock import now_ms
from queuectl.domain.lifecycle import State
from queuectl.domain.selection import Selection
from queuectl.errors import (
    DatabaseUnreachableError,
    DuplicateTaskError,
    InvalidInputError,
    InvalidURLError,
)
from queuectl.operations import verbs
from queuectl.settings import HandlerSettings
from tests.support.engines import MigratedPostgres

URL = "https://mp.weixin.qq.com/s/xxx"


@pytest.fixture
def manager(settings: Settings) -> Iterator[QueueManager]:
    """Give a manager with one handler of the user's own."""
    with QueueManager(replace(settings, handlers={"report": HandlerSettings(callable="a:b")})) as manager:
        yield manager


def ms(moment: datetime) -> int:
    """Return a moment as it is stored."""
    return round(moment.timestamp() * 1000)


class TestTheGuide:
    """What the user's guide shows."""

    def test_keywords(self, manager: QueueManager) -> None:
        task_id = manager.submit_task(url=URL, priority="high", metadata={"author": "作者名"})
        assert task_id == "task_1"
        task = manager.get_task(task_id)
        assert (task.url, task.queue, task.priority_score) == (URL, "high_priority", 8)
        assert (task.metadata, task.state, task.handler) == ({"author": "作者名"}, State.QUEUED, "article")

    def test_positions(self, manager: QueueManager) -> None:
        task = manager.get_task(manager.submit_task(URL, priority="urgent"))
        assert (task.url, task.queue) == (URL, "urgent_priority")
        assert manager.get_task(manager.submit_task(URL, "low")).queue == "low_priority"

    def test_a_task_that_is_filled_in(self, manager: QueueManager) -> None:
        wanted = ArticleTask(priority_score=15)
        wanted.url = URL
        wanted.memory_limit = 512
        task = manager.get_task(manager.submit_task(wanted))
        assert (task.url, task.priority_score, task.queue) == (URL, 15, "urgent_priority")
        assert task.memory_limit == 512

    def test_an_id_with_and_without_its_prefix(self, manager: QueueManager) -> None:
        task_id = manager.submit_task(URL)
        assert manager.get_task(task_id) == manager.get_task("1") == manager.get_task(1)


class TestFields:
    """Every field, its default, and what wins when it is given twice."""

    def test_the_defaults(self, manager: QueueManager) -> None:
        before = now_ms()
        task = manager.get_task(manager.submit_task(URL))
        assert (task.queue, task.priority_score) == ("medium_priority", 5)
        assert (task.timeout, task.memory_limit, task.max_retries) == (None, None, None)
        assert (task.metadata, task.run_at, task.batch_id) == ({}, None, None)
        assert before <= task.created_at == task.due_at <= now_ms()

    def test_all_of_them(self, manager: QueueManager) -> None:
        at = datetime.now(UTC) + timedelta(hours=2)
        wanted = ArticleTask(
            url="HTTPS://Example.COM:443/a#part",
            priority="low",
            metadata={"深": [1, {"a": None}], "n": 1.5},
            handler="report",
            publish_at=at,
            timeout=0.5,
            memory_limit=64,
            max_retries=0,
        )
        task = manager.get_task(manager.submit_task(wanted))
        assert (task.url, task.handler, task.queue) == ("https://example.com/a", "report", "low_priority")
        assert (task.metadata, task.timeout) == ({"深": [1, {"a": None}], "n": 1.5}, 0.5)
        assert (task.memory_limit, task.max_retries) == (64, 0)
        assert (task.state, task.run_at, task.due_at) == (State.SCHEDULED, ms(at), ms(at))

    def test_keywords_win_over_the_task(self, manager: QueueManager) -> None:
        wanted = ArticleTask(
            url=URL, priority="low", metadata={"a": 1}, handler="report", timeout=5, unique=True
        )
        task = manager.get_task(
            manager.submit_task(
                wanted,
                url=f"{URL}/2",
                priority="high",
                metadata={},
                handler="article",
                timeout=9,
                unique=False,
            )
        )
        assert (task.url, task.queue, task.metadata) == (f"{URL}/2", "high_priority", {})
        assert (task.handler, task.timeout) == ("article", 9)
        assert wanted.priority == "low"

    def test_a_priority_by_name_wins_over_the_tasks_score(self, manager: QueueManager) -> None:
        task = manager.get_task(manager.submit_task(ArticleTask(url=URL, priority_score=15), priority="low"))
        assert (task.queue, task.priority_score) == ("low_priority", 3)

    def test_a_score_wins_over_a_name(self, manager: QueueManager) -> None:
        task = manager.get_task(manager.submit_task(URL, priority="low", priority_score=9))
        assert (task.queue, task.priority_score) == ("high_priority", 9)

    @pytest.mark.parametrize(
        "options",
        [
            {"url": ""},
            {"url": "example.com"},
            {"url": "ftp://example.com/"},
            {"url": "https://user:hush@example.com/"},
            {"url": f"https://example.com/{'a' * 5000}"},
            {"url": 12},
            {"url": b"https://example.com/"},
            {"priority": "highest"},
            {"priority": 8},
            {"priority_score": 10**7},
            {"priority_score": 1.5},
            {"priority_score": True},
            {"priority_score": "8"},
            {"handler": "unknown"},
            {"handler": ""},
            {"handler": ["report"]},
            {"metadata": "author"},
            {"metadata": ["author"]},
            {"metadata": {"a": object()}},
            {"metadata": {("a", "b"): 1}},
            {"metadata": {"a": float("nan")}},
            {"metadata": {"a": "x" * 70_000}},
            {"timeout": 0},
            {"timeout": -1},
            {"timeout": float("nan")},
            {"timeout": float("inf")},
            {"timeout": "5"},
            {"timeout": 10**9},
            {"timeout": True},
            {"memory_limit": 1},
            {"memory_limit": 512.5},
            {"memory_limit": True},
            {"max_retries": False},
            {"max_retries": -1},
            {"max_retries": 2.5},
            {"max_retries": 10**6},
            {"publish_at": "2027-01-31 10:00"},
            {"publish_at": 1_800_000_000},
            {"publish_at": datetime(2027, 1, 31).date()},  # noqa: DTZ001
        ],
        ids=lambda options: " ".join(f"{name} {type(value).__name__}" for name, value in options.items()),
    )
    def test_what_is_not_acceptable_is_refused_and_nothing_stays(
        self, manager: QueueManager, options: dict[str, Any]
    ) -> None:
        with pytest.raises(InvalidInputError) as refusal:
            manager.submit_task(**{"url": URL, **options})
        assert "\n" not in refusal.value.message
        assert "hush" not in refusal.value.message
        assert manager.list_tasks() == []

    def test_a_url_that_cannot_be_fetched_has_its_own_error(self, manager: QueueManager) -> None:
        with pytest.raises(InvalidURLError):
            manager.submit_task("not a url")

    @pytest.mark.parametrize("depth", [10, 100_000])
    def test_metadata_of_any_depth_is_stored_or_refused(self, manager: QueueManager, depth: int) -> None:
        nested: dict[str, Any] = {}
        for _ in range(depth):
            nested = {"a": nested}
        if depth > 1000:
            with pytest.raises(InvalidInputError):
                manager.submit_task(URL, metadata=nested)
        else:
            assert manager.get_task(manager.submit_task(URL, metadata=nested)).metadata == nested

    @pytest.mark.parametrize("text", ["\x00", "\ud800", "🙂\ud83d", "\\u0000", "a\tb\\N"])
    def test_metadata_with_odd_characters_comes_back(self, manager: QueueManager, text: str) -> None:
        metadata = {"note": text, text: 1}
        assert manager.get_task(manager.submit_task(URL, metadata=metadata)).metadata == metadata


class TestUnique:
    """A unique task is refused while another one for its URL is open."""

    def test_a_second_one_is_refused_in_whatever_spelling(self, manager: QueueManager) -> None:
        manager.submit_task(f"{URL}?a=1", unique=True)
        with pytest.raises(DuplicateTaskError) as refusal:
            manager.submit_task("HTTPS://MP.weixin.qq.com:443/s/xxx?a=1#top", unique=True)
        assert URL in refusal.value.message
        assert "queuectl list" in (refusal.value.hint or "")
        manager.submit_task(f"{URL}?a=2", unique=True)
        assert len(manager.list_tasks()) == 2

    def test_it_minds_tasks_that_are_not_unique_too(self, manager: QueueManager) -> None:
        manager.submit_task(URL)
        with pytest.raises(DuplicateTaskError):
            manager.submit_task(URL, unique=True)
        manager.submit_task(URL)

    def test_after_its_end_it_may_come_again(self, manager: QueueManager) -> None:
        first = manager.submit_task(URL, unique=True)
        manager.cancel_task(first)
        second = manager.submit_task(URL, unique=True)
        with pytest.raises(DuplicateTaskError):
            manager.retry_task(first)
        assert manager.get_task(first).state is State.CANCELLED
        manager.cancel_task(second)
        assert manager.retry_task(first).state is State.QUEUED


class TestTimes:
    """When a task may start."""

    def start(self, settings: Settings, zone: str, moment: datetime) -> int:
        with QueueManager(replace(settings, timezone=zone)) as manager:
            task = manager.get_task(manager.submit_task(URL, publish_at=moment))
        assert task.run_at is not None
        assert task.due_at == task.run_at
        assert task.state is State.SCHEDULED
        return task.run_at

    @pytest.mark.parametrize("zone", ["UTC", "Asia/Shanghai", "America/St_Johns"])
    def test_a_time_without_a_zone_is_read_in_the_configured_one(self, settings: Settings, zone: str) -> None:
        naive = datetime(2099, 12, 25, 10, 0)  # noqa: DTZ001
        assert self.start(settings, zone, naive) == ms(naive.replace(tzinfo=ZoneInfo(zone)))

    def test_a_time_with_a_zone_keeps_it(self, settings: Settings) -> None:
        moment = datetime(2099, 12, 25, 10, 0, tzinfo=timezone(timedelta(hours=8)))
        assert self.start(settings, "America/New_York", moment) == ms(
            datetime(2099, 12, 25, 2, 0, tzinfo=UTC)
        )

    def test_a_time_that_the_clocks_skip_is_the_first_after_the_gap(self, settings: Settings) -> None:
        # On 28 March 2055 clocks in Berlin go from 2:00 to 3:00, as the rules are today.
        skipped = datetime(2055, 3, 28, 2, 30)  # noqa: DTZ001
        assert self.start(settings, "Europe/Berlin", skipped) == ms(datetime(2055, 3, 28, 1, 0, tzinfo=UTC))

    @pytest.mark.parametrize(("fold", "hour"), [(0, 0), (1, 1)])
    def test_of_a_time_that_comes_twice_the_first_is_meant_unless_said_otherwise(
        self, settings: Settings, fold: int, hour: int
    ) -> None:
        doubled = datetime(2055, 10, 31, 2, 30, fold=fold)  # noqa: DTZ001
        expected = datetime(2055, 10, 31, hour, 30, tzinfo=UTC)
        assert self.start(settings, "Europe/Berlin", doubled) == ms(expected)

    def test_a_time_that_has_passed_means_now(self, manager: QueueManager) -> None:
        past = datetime(2001, 1, 1, tzinfo=UTC)
        task = manager.get_task(manager.submit_task(URL, publish_at=past))
        assert (task.state, task.run_at, task.due_at) == (State.QUEUED, ms(past), task.created_at)

    @pytest.mark.parametrize("moment", [datetime.min, datetime.max])  # noqa: DTZ901  these are meant
    def test_the_ends_of_the_calendar_are_no_trouble(self, settings: Settings, moment: datetime) -> None:
        for zone in ("Asia/Tokyo", "America/Lima"):
            with QueueManager(replace(settings, timezone=zone)) as manager:
                try:
                    task = manager.get_task(manager.submit_task(URL, publish_at=moment))
                except InvalidInputError as error:
                    assert "out of range" in error.message  # noqa: PT017  either is right
                else:
                    assert task.state in (State.QUEUED, State.SCHEDULED)


def test_a_lost_notice_does_not_deny_an_accepted_task(
    home: Path,
    emptied_postgres: str,
    migrated_postgres: MigratedPostgres,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    manager = QueueManager(Settings(home=home, database_url=emptied_postgres))

    def cut(home: object) -> bool:
        migrated_postgres.cut()
        return True

    monkeypatch.setattr(verbs, "ring", cut)  # it rings after the commit and before the notice
    assert manager.submit_task(URL) == "task_1"
    assert [task.id for task in manager.list_tasks(Selection())] == [1]
    manager.close()


def test_without_a_database_nothing_begins(home: Path) -> None:
    settings = Settings(home=home, database_url="postgresql://127.0.0.1:1/none")
    with pytest.raises(DatabaseUnreachableError):
        QueueManager(settings)


def test_a_manager_can_be_used_again_after_it_is_closed(manager: QueueManager) -> None:
    manager.close()
    task_id = manager.submit_task(URL)
    manager.close()
    assert manager.get_task(task_id).id == 1
