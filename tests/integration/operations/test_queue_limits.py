"""Limits of queues as programs set them, and what a full queue refuses."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from queuectl.clock import now_ms
from queuectl.domain.admission import QueueRules
from queuectl.domain.batch import Entry
from queuectl.domain.lifecycle import State
from queuectl.domain.queue_limits import LimitChange
from queuectl.domain.rate import RateLimit
from queuectl.domain.task import ArticleTask
from queuectl.errors import InvalidInputError, QueueFullError, QueueNotFoundError
from queuectl.operations.manager import QueueManager
from queuectl.operations.monitor import Monitor
from queuectl.settings import Settings
from queuectl.store.database import Database
from tests.support.factories import all_rows, counts_are_right, states, task_in


@pytest.fixture
def manager(settings: Settings) -> Iterator[QueueManager]:
    """Give a manager of an empty installation, once per engine."""
    with QueueManager(settings) as manager:
        yield manager


def urls(count: int) -> list[str]:
    return [f"https://example.com/{number}" for number in range(count)]


class TestSetting:
    """Changing limits."""

    def test_what_is_set_is_kept_and_can_be_taken_away(self, manager: QueueManager) -> None:
        changed = manager.update_queue_config(
            "high_priority", {"max_size": 200, "rate_limit": "150/h", "task_timeout": 600}
        )
        assert changed == [
            LimitChange("max_size", "none", "200"),
            LimitChange("rate_limit", "none", "150/h"),
            LimitChange("task_timeout", "none", "600"),
        ]
        rule = manager.get_queue_config("high")
        assert (rule.max_size, rule.rate_limit, rule.task_timeout) == (200, RateLimit(150, 3_600_000), 600.0)
        assert manager.update_queue_config("high", {"max_size": "200"}) == []
        undone = manager.update_queue_config("high", {each.key: each.before for each in changed})
        assert [each.after for each in undone] == ["none"] * 3
        assert manager.get_queue_config("high") == QueueRules("high_priority")

    def test_one_mistake_changes_nothing_at_all(self, manager: QueueManager, database: Database) -> None:
        before = all_rows(database, "queues")
        with pytest.raises(InvalidInputError, match="rate_limit is '150/fortnight'"):
            manager.update_queue_config("low", {"max_size": 3, "rate_limit": "150/fortnight"})
        with pytest.raises(QueueNotFoundError):
            manager.update_queue_config("night", {"max_size": 3})
        assert all_rows(database, "queues") == before

    def test_the_status_shows_limits_and_what_keeps_tasks_from_starting(
        self, manager: QueueManager, settings: Settings, database: Database
    ) -> None:
        manager.update_queue_config("medium", {"concurrency": 1, "max_size": 9})
        task_in(database, State.RUNNING, 1)
        manager.update_queue_config("high", {"rate_limit": "1/h"})
        with database.writing() as transaction:
            transaction.execute(
                "INSERT INTO queue_starts (queue, at, total) VALUES ('high_priority', %s, 1)", (now_ms(),)
            )
        monitor = Monitor(settings)
        shown = {queue.name: queue for queue in monitor.get_realtime_status().queues}
        monitor.close()
        medium, high = shown["medium_priority"], shown["high_priority"]
        assert (medium.max_size, medium.concurrency, medium.rate_limit) == (9, 1, None)
        assert medium.block is not None
        assert (medium.block.reason.value, medium.block.until) == ("concurrency", None)
        assert high.block is not None
        assert high.block.reason.value == "rate_limit"
        assert abs((high.block.until or 0) - now_ms() - 3_600_000) < 60_000
        assert shown["low_priority"].block is None


class TestLargestSize:
    """A full queue takes nothing in, and a batch goes in whole or not at all."""

    def test_a_full_queue_says_how_full_it_is_and_what_to_do(self, manager: QueueManager) -> None:
        manager.update_queue_config("medium", {"max_size": 2})
        manager.submit_batch(urls(2), interval_minutes=5)
        with pytest.raises(
            QueueFullError,
            match=r"^medium_priority is full: 2 of at most 2 tasks wait there; nothing was submitted$",
        ) as refusal:
            manager.submit_task("https://example.com/more")
        assert refusal.value.exit_code == 5
        assert "queue set medium max_size=" in (refusal.value.hint or "")
        manager.submit_task("https://example.com/more", "high")
        manager.update_queue_config("medium", {"max_size": None})
        manager.submit_task("https://example.com/more")

    def test_a_batch_over_two_queues_goes_in_whole_or_not_at_all(
        self, manager: QueueManager, database: Database
    ) -> None:
        manager.update_queue_config("high", {"max_size": 3})
        mixed = [
            ArticleTask(url, priority="high" if number % 2 else "low") for number, url in enumerate(urls(8))
        ]
        with pytest.raises(
            QueueFullError, match="high_priority has room for 3 more: 0 of at most 3 tasks wait"
        ):
            manager.submit_batch(mixed)
        assert all_rows(database, "tasks") == []
        assert all_rows(database, "batches") == []
        with pytest.raises(QueueFullError):
            manager.submit_entries([Entry(1, each.url, each) for each in mixed], dry_run=True)
        manager.submit_batch(mixed[:6])
        assert counts_are_right(database)

    def test_duplicates_that_are_skipped_need_no_place(self, manager: QueueManager) -> None:
        manager.update_queue_config("medium", {"max_size": 3})
        manager.submit_batch(urls(3))
        again = manager.submit_entries([Entry(1, url, ArticleTask(url)) for url in urls(3)])
        assert (again.accepted, again.duplicates) == (0, 3)

    def test_what_was_in_the_queue_before_comes_back_whatever_its_size(
        self, manager: QueueManager, database: Database
    ) -> None:
        dead, retrying = task_in(database, State.DEAD, 1), task_in(database, State.RETRYING, 2)
        manager.update_queue_config("medium", {"max_size": 1})
        manager.retry_task(dead)
        manager.retry_task(retrying)
        assert set(states(database).values()) == {State.QUEUED}
        with pytest.raises(QueueFullError, match="2 of at most 1 tasks wait"):
            manager.submit_task("https://example.com/more")

    def test_racing_submitters_fill_a_queue_to_the_last_place_and_no_further(
        self, manager: QueueManager, database: Database
    ) -> None:
        manager.update_queue_config("medium", {"max_size": 50})
        manager.update_queue_config("low", {"max_size": 1000})

        def submits(number: int) -> int:
            accepted = 0
            try:
                for turn in range(12):
                    mixed = [
                        ArticleTask(f"https://example.com/{number}/{turn}/{place}", priority=priority)
                        for place, priority in enumerate(["medium", "low"][:: 1 if number % 2 else -1])
                    ]
                    try:
                        if turn % 2:
                            manager.submit_batch(mixed)
                        else:
                            manager.submit_task(mixed[0].url, "medium")
                        accepted += 1
                    except QueueFullError:
                        continue
                return accepted
            finally:
                manager.close()

        with ThreadPoolExecutor(8) as threads:
            accepted = sum(threads.map(submits, range(8)))
        waiting = [row for row in all_rows(database, "tasks") if row["queue"] == "medium_priority"]
        assert len(waiting) == accepted == 50
        assert counts_are_right(database)
