"""Bulk submissions: all or nothing, duplicates by rule, times by interval, and flat memory however long they are."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from queuectl import ArticleTask, QueueManager, Settings
from queuectl.domain.batch import BatchReceipt, Entry, Rejected
from queuectl.domain.lifecycle import State
from queuectl.domain.selection import Selection
from queuectl.domain.task import Task
from queuectl.errors import DuplicateTaskError, InvalidInputError, InvalidURLError, RefusedError
from queuectl.operations.monitor import Monitor
from queuectl.operations.prepared import GROUP
from queuectl.store.database import Database
from tests.support.factories import all_rows, counts_are_right

EVERYTHING = Selection(limit=1_000_000)
HALF_HOUR = 1_800_000


@pytest.fixture
def manager(settings: Settings) -> Iterator[QueueManager]:
    with QueueManager(settings) as manager:
        yield manager


def urls(*numbers: int) -> list[str]:
    """Return a URL for each number."""
    return [f"https://example.com/{number}" for number in numbers]


def entries(*texts: str | ArticleTask | None) -> list[Entry]:
    """Return numbered entries; for None one that the reader of the file found a problem in."""
    return [
        Entry(line, str(text), problem="it is not JSON")
        if text is None
        else Entry(line, str(text), text if isinstance(text, ArticleTask) else ArticleTask(url=text))
        for line, text in enumerate(texts, 1)
    ]


def submitted(manager: QueueManager, batch_id: str | None = None) -> list[Task]:
    """Return the tasks of a batch, or all, the oldest first."""
    batch = int(batch_id.removeprefix("batch_")) if batch_id else None
    return manager.list_tasks(replace(EVERYTHING, batch=batch))[::-1]


def is_empty(database: Database) -> bool:
    """Tell whether nothing at all has been stored."""
    rows = [all_rows(database, table) for table in ("tasks", "task_urls", "batches", "counters")]
    return not any(rows)


class TestSubmitBatch:
    """The verb of the guide."""

    def test_the_guides_example(self, manager: QueueManager) -> None:
        batch_id = manager.submit_batch(
            urls=urls(1, 2, 3), priority="medium", batch_name="每日文章", interval_minutes=30
        )
        assert batch_id == "batch_1"
        tasks = submitted(manager, batch_id)
        assert [task.url for task in tasks] == urls(1, 2, 3)
        assert {task.queue for task in tasks} == {"medium_priority"}
        assert [task.state for task in tasks] == [State.QUEUED, State.SCHEDULED, State.SCHEDULED]
        batch = Monitor(manager.settings).get_batch(1)
        assert (batch.name, batch.interval_minutes, batch.submitted) == ("每日文章", 30, 3)

    def test_urls_and_tasks_may_be_mixed(self, manager: QueueManager) -> None:
        rich = ArticleTask(
            url="https://example.com/2", priority="urgent", metadata={"a": "\\N\t"}, max_retries=0
        )
        manager.submit_batch([*urls(1), rich, *urls(3)], "low")
        tasks = submitted(manager)
        assert [task.queue for task in tasks] == ["low_priority", "urgent_priority", "low_priority"]
        assert (tasks[1].metadata, tasks[1].max_retries) == ({"a": "\\N\t"}, 0)

    def test_any_iterable_will_do(self, manager: QueueManager) -> None:
        manager.submit_batch(iter(urls(1, 2)))
        manager.submit_batch(dict.fromkeys(urls(3)))
        assert len(submitted(manager)) == 3

    @pytest.mark.parametrize("place", [0, 1, GROUP + 5])
    def test_one_bad_url_keeps_all_out(self, manager: QueueManager, database: Database, place: int) -> None:
        many = urls(*range(GROUP + 10))
        many[place] = "example.com/no-scheme"
        with pytest.raises(InvalidURLError, match="no-scheme"):
            manager.submit_batch(many)
        assert is_empty(database)

    def test_an_error_of_the_source_keeps_all_out(self, manager: QueueManager, database: Database) -> None:
        def breaks() -> Iterator[str]:
            yield from urls(*range(GROUP + 1))
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            manager.submit_batch(breaks())
        assert is_empty(database)

    @pytest.mark.parametrize(
        ("given", "options"),
        [
            ([], {}),
            (["https://example.com/", None], {}),
            (["https://example.com/", 5], {}),
            ([ArticleTask()], {}),
            ([ArticleTask(url="https://example.com/", timeout=-1)], {}),
            ("https://example.com/", {}),
            (urls(1), {"priority": "highest"}),
            (urls(1), {"interval_minutes": -1}),
            (urls(1), {"interval_minutes": float("nan")}),
            (urls(1), {"interval_minutes": float("inf")}),
            (urls(1), {"start_at": "tomorrow"}),
            (urls(1), {"batch_name": 5}),
        ],
        ids=range(12),
    )
    def test_what_is_not_acceptable_is_refused_and_nothing_stays(
        self, manager: QueueManager, database: Database, given: Any, options: dict[str, Any]
    ) -> None:
        with pytest.raises(InvalidInputError):
            manager.submit_batch(given, **options)
        assert is_empty(database)

    @pytest.mark.parametrize("name", ["每日 ‘文章’", "", "a\tb\\N\n", "\x00", "\ud800"])
    def test_a_name_of_any_characters_is_no_trouble(self, manager: QueueManager, name: str) -> None:
        manager.submit_batch(urls(1), batch_name=name)
        shown = Monitor(manager.settings).get_batch(1).name
        assert shown == {"\x00": "\\x00", "\ud800": "\\ud800"}.get(name, name)

    def test_a_batch_whose_duplicates_are_all_of_it_is_refused(
        self, manager: QueueManager, database: Database
    ) -> None:
        manager.submit_batch(urls(1, 2))
        with pytest.raises(RefusedError, match="all 2 URLs are duplicates"):
            manager.submit_batch(urls(2, 1), on_duplicate="skip")
        assert len(all_rows(database, "batches")) == 1
        assert len(submitted(manager)) == 2

    def test_unique_tasks_of_one_batch_may_not_clash(self, manager: QueueManager, database: Database) -> None:
        twin = ArticleTask(url="https://example.com/1", unique=True)
        with pytest.raises(DuplicateTaskError):
            manager.submit_batch([twin, twin])
        assert is_empty(database)


class TestTimes:
    """When the tasks of a batch may start."""

    def test_the_nth_is_due_n_intervals_after_the_first(self, manager: QueueManager) -> None:
        manager.submit_batch(urls(*range(GROUP + 3)), interval_minutes=30)
        tasks = submitted(manager)
        assert [task.due_at - tasks[0].due_at for task in tasks] == [
            place * HALF_HOUR for place in range(len(tasks))
        ]
        assert tasks[0].due_at == tasks[0].created_at
        assert all(task.run_at == task.due_at for task in tasks)

    def test_they_count_from_the_start_that_was_given(self, manager: QueueManager) -> None:
        start = datetime.now(UTC).replace(microsecond=0) + timedelta(days=1)
        manager.submit_batch(urls(1, 2, 3), interval_minutes=0.5, start_at=start)
        first = round(start.timestamp() * 1000)
        tasks = submitted(manager)
        assert [task.due_at for task in tasks] == [first, first + 30_000, first + 60_000]
        assert {task.state for task in tasks} == {State.SCHEDULED}

    def test_from_a_start_in_the_past_some_are_due_at_once(self, manager: QueueManager) -> None:
        start = datetime.now(UTC) - timedelta(minutes=45)
        manager.submit_batch(urls(1, 2, 3, 4), interval_minutes=30, start_at=start)
        tasks = submitted(manager)
        assert [task.state for task in tasks] == [State.QUEUED] * 2 + [State.SCHEDULED] * 2
        assert tasks[3].due_at - tasks[2].due_at == HALF_HOUR

    def test_without_an_interval_all_start_together(self, manager: QueueManager) -> None:
        start = datetime(2099, 1, 1)  # noqa: DTZ001
        manager.submit_batch(urls(1, 2), start_at=start)
        expected = round(start.replace(tzinfo=UTC).timestamp() * 1000)
        assert [task.due_at for task in submitted(manager)] == [expected] * 2

    @pytest.mark.parametrize("interval", [0, 30])
    def test_a_task_that_names_its_own_time_keeps_it(self, manager: QueueManager, interval: int) -> None:
        own = datetime(2099, 1, 1, tzinfo=UTC)
        start = datetime(2088, 1, 1, tzinfo=UTC)
        timed = ArticleTask(url="https://example.com/own", publish_at=own)
        manager.submit_batch([timed, *urls(1), timed], interval_minutes=interval, start_at=start)
        first = round(start.timestamp() * 1000)
        own_ms = round(own.timestamp() * 1000)
        assert [task.due_at for task in submitted(manager)] == [own_ms, first + interval * 60_000, own_ms]

    def test_skipped_duplicates_leave_no_hole(self, manager: QueueManager) -> None:
        manager.submit_batch(urls(1, 1, 2, 1, 3), interval_minutes=30, on_duplicate="skip")
        tasks = submitted(manager)
        assert [task.url for task in tasks] == urls(1, 2, 3)
        assert [task.due_at - tasks[0].due_at for task in tasks] == [0, HALF_HOUR, 2 * HALF_HOUR]


class TestDuplicates:
    """What happens to a URL that is there already: in the same input, or with an open task."""

    @pytest.fixture
    def earlier(self, manager: QueueManager) -> int:
        """Submit a URL whose task is open and one whose task has ended."""
        manager.submit_task("https://example.com/open")
        manager.cancel_task(manager.submit_task("https://example.com/ended"))
        return 2

    GIVEN = (
        "https://example.com/open",
        "https://example.com/ended",
        "HTTPS://EXAMPLE.COM/new#1",
        "https://example.com/new",
        "https://example.com/other",
    )

    def test_allowed_they_all_come(self, manager: QueueManager, earlier: int) -> None:
        receipt = manager.submit_entries(entries(*self.GIVEN), on_duplicate="allow")
        assert receipt == BatchReceipt("batch_1", accepted=5, duplicates=0, invalid=0)
        assert len(submitted(manager)) == earlier + 5

    def test_skipped_each_url_is_open_once(self, manager: QueueManager, earlier: int) -> None:
        receipt = manager.submit_entries(entries(*self.GIVEN))
        assert receipt == BatchReceipt("batch_1", accepted=3, duplicates=2, invalid=0)
        assert [task.url for task in submitted(manager, "batch_1")] == [
            f"https://example.com/{name}" for name in ("ended", "new", "other")
        ]

    @pytest.mark.parametrize("given", [GIVEN[:1], GIVEN[2:], (*GIVEN[1:3], "no url", GIVEN[3])])
    def test_refused_one_of_them_keeps_all_out(
        self, manager: QueueManager, earlier: int, given: tuple[str, ...]
    ) -> None:
        with pytest.raises(DuplicateTaskError) as refusal:
            manager.submit_entries(entries(*given), on_duplicate="error")
        assert "nothing was submitted" in refusal.value.message
        assert len(submitted(manager)) == earlier

    def test_they_are_found_across_groups(self, manager: QueueManager) -> None:
        many = urls(*range(GROUP + 500), *range(GROUP + 500))
        receipt = manager.submit_entries(entries(*many))
        assert (receipt.accepted, receipt.duplicates) == (GROUP + 500, GROUP + 500)


class TestReceipts:
    """What is said of the entries of a file."""

    def test_the_good_ones_come_and_the_others_are_reported(self, manager: QueueManager) -> None:
        given = entries(
            *urls(1), "ftp://example.com/", None, ArticleTask(url="https://example.com/2", timeout=0)
        )
        receipt = manager.submit_entries(given, priority="high", batch_name="mixed")
        assert (receipt.batch_id, receipt.accepted, receipt.duplicates) == ("batch_1", 1, 0)
        assert receipt.invalid == 3
        assert [(each.line, each.text[:12]) for each in receipt.rejected] == [
            (2, "ftp://exampl"),
            (3, "None"),
            (4, "ArticleTask("),
        ]
        assert receipt.rejected[1] == Rejected(3, "None", "it is not JSON")
        assert all(each.reason for each in receipt.rejected)
        assert [task.queue for task in submitted(manager)] == ["high_priority"]

    def test_only_the_first_hundred_reports_are_kept(self, manager: QueueManager) -> None:
        receipt = manager.submit_entries(entries(*["bad"] * 250, *urls(1)))
        assert (receipt.accepted, receipt.invalid, len(receipt.rejected)) == (1, 250, 100)

    @pytest.mark.parametrize("given", [[], ["bad"], [None]])
    def test_without_a_good_one_there_is_no_batch(
        self, manager: QueueManager, database: Database, given: list[str | None]
    ) -> None:
        receipt = manager.submit_entries(entries(*given))
        assert (receipt.batch_id, receipt.accepted, receipt.invalid) == (None, 0, len(given))
        assert is_empty(database)

    @pytest.mark.parametrize("on_duplicate", ["skip", "allow"])
    def test_a_rehearsal_tells_the_same_and_leaves_nothing(
        self, manager: QueueManager, database: Database, on_duplicate: Any
    ) -> None:
        given = entries(*urls(1, 2, 1), "bad")
        told = manager.submit_entries(given, on_duplicate=on_duplicate, dry_run=True)
        assert told.batch_id is None
        assert is_empty(database)
        done = manager.submit_entries(given, on_duplicate=on_duplicate)
        assert replace(done, batch_id=None) == told

    def test_a_rehearsal_finds_what_would_be_refused(self, manager: QueueManager, database: Database) -> None:
        with pytest.raises(DuplicateTaskError):
            manager.submit_entries(entries(*urls(1, 1)), on_duplicate="error", dry_run=True)
        assert is_empty(database)

    def test_progress_is_told_up_to_the_end(self, manager: QueueManager) -> None:
        told: list[int] = []
        manager.submit_entries(entries(*urls(*range(GROUP * 2 + 7))), on_progress=told.append)
        assert told == [GROUP, GROUP * 2, GROUP * 2 + 7]

    def test_counts_stay_right(self, manager: QueueManager, database: Database) -> None:
        manager.submit_entries(entries(*urls(*range(50))), priority="urgent", interval_minutes=1)
        manager.submit_entries(entries(*urls(*range(100))))
        assert counts_are_right(database)


MANY = """
import resource, sys
from pathlib import Path
from queuectl import ArticleTask, QueueManager, Settings
from queuectl.domain.batch import Entry

def entries(count):
    for line in range(count):
        url = f"https://example.com/articles/{line:040d}"
        yield Entry(line, url, ArticleTask(url=url))

manager = QueueManager(Settings(home=Path(sys.argv[1]), database_url=sys.argv[2]))
manager.submit_entries(entries(5_000))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
receipt = manager.submit_entries(entries(100_000), on_duplicate="allow")
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
manager.close()
print(receipt.accepted, (after - before) // (1 if sys.platform != "darwin" else 1024))
"""


def test_a_hundred_thousand_urls_pass_through_in_flat_memory(settings: Settings) -> None:
    done = subprocess.run(
        [sys.executable, "-c", MANY, str(settings.home), settings.database_url],
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert done.stderr == ""
    accepted, grown = map(int, done.stdout.split())
    assert accepted == 100_000
    # The rows wait in 32 MiB of memory, the rest in a file; all entries at once would take far more.
    assert grown < 64 * 1024, f"the process grew by {grown} KiB"
