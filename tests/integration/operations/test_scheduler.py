"""The verbs on schedules: what is stored, what is refused, and how a schedule is steered."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import queuectl
from queuectl.clock import now_ms
from queuectl.domain.lifecycle import State
from queuectl.errors import (
    BadInputFileError,
    ExitCode,
    InvalidInputError,
    InvalidURLError,
    QueuectlError,
    ScheduleExistsError,
    ScheduleNotFoundError,
    SourceUnavailableError,
)
from queuectl.operations.schedule_plan import plan_schedule, preview
from queuectl.operations.scheduler import Scheduler
from queuectl.operations.undo import forget_undo
from queuectl.settings import Settings
from queuectl.store.database import Database
from tests.support.factories import all_rows

SOURCE = "file://daily_urls.txt"
DAILY = "0 10 * * *"


@pytest.fixture
def scheduler(settings: Settings) -> Iterator[Scheduler]:
    """Give a scheduler of an empty installation in Shanghai."""
    with queuectl.get_scheduler(replace(settings, timezone="Asia/Shanghai")) as made:
        yield made


def write(scheduler: Scheduler, *lines: str, name: str = "daily_urls.txt") -> None:
    (scheduler.settings.home / name).write_text("".join(f"{line}\n" for line in lines))


# One article for later.


def test_an_article_is_published_at_a_local_time(scheduler: Scheduler, database: Database) -> None:
    local = datetime(2999, 12, 25, 10)  # noqa: DTZ001  it is read in the configured zone
    number = scheduler.schedule_article(
        url="https://a.test/1", publish_at=local, priority="high", metadata={"a": 1}
    )
    aware = datetime(2999, 12, 25, 2, tzinfo=UTC)
    scheduler.schedule_article("https://a.test/2", aware, priority_score=15, unique=True)
    first, second = all_rows(database, "tasks")
    assert (number, first["state"], first["queue"]) == ("task_1", State.SCHEDULED, "high_priority")
    assert first["run_at"] == second["run_at"] == round(aware.timestamp() * 1000)


def test_what_cannot_be_an_article_is_refused(scheduler: Scheduler) -> None:
    soon = datetime.now(UTC) + timedelta(hours=2)
    with pytest.raises(InvalidURLError):
        scheduler.schedule_article("ftp://a.test/", soon)
    with pytest.raises(InvalidInputError):
        scheduler.schedule_article("https://a.test/", "tomorrow")  # type: ignore[arg-type]


# Recurring.


def test_a_schedule_is_kept_as_it_was_asked_for(scheduler: Scheduler) -> None:
    began = now_ms()
    name = scheduler.schedule_recurring(url_source=SOURCE, cron_expression=DAILY, priority="high")
    assert name == "daily_urls"
    found = scheduler.get_schedule(name)
    assert (found.source, found.cron, found.zone, found.priority_score) == (SOURCE, DAILY, "Asia/Shanghai", 8)
    assert (found.handler, found.catch_up, found.overlap, found.only_new) == (
        "article",
        "latest",
        "skip",
        None,
    )
    assert found.next_tick_at is not None
    assert datetime.fromtimestamp(found.next_tick_at / 1000, UTC).hour == 2
    assert began < found.next_tick_at <= now_ms() + 86_400_000
    every: dict[str, Any] = {
        "catch_up": "all",
        "overlap": "allow",
        "only_new": True,
        "zone": "UTC",
        "priority_score": -3,
    }
    other = scheduler.schedule_recurring(
        "https://a.test/feed", "@hourly", name="新闻 one", metadata={"b": 2}, **every
    )
    found = scheduler.get_schedule(other)
    assert {name: getattr(found, name) for name in every} == every
    assert (found.name, found.metadata) == ("新闻 one", {"b": 2})
    assert [each.name for each in scheduler.list_schedules()] == ["daily_urls", "新闻 one"]


def test_a_name_is_made_from_the_source_and_made_unique(scheduler: Scheduler) -> None:
    sources = [
        SOURCE,
        SOURCE,
        "https://api.example.com/urls.json",
        "http://api.example.com/",
        "file://文章.txt",
        "file://!!!",
    ]
    assert [scheduler.schedule_recurring(source, DAILY) for source in sources] == [
        "daily_urls",
        "daily_urls-2",
        "api.example.com-urls",
        "api.example.com",
        "文章",
        "schedule",
    ]


def test_two_schedules_with_one_name_are_refused(scheduler: Scheduler) -> None:
    scheduler.schedule_recurring(SOURCE, DAILY, name="it's")
    with pytest.raises(ScheduleExistsError, match='a schedule "it\'s" already') as caught:
        scheduler.schedule_recurring(SOURCE, "@daily", name="it's")
    assert caught.value.exit_code is ExitCode.REFUSED
    assert [each.cron for each in scheduler.list_schedules()] == [DAILY]


MISTAKES: dict[str, tuple[dict[str, Any], str]] = {
    "cron": ({"cron_expression": "61 * * * *"}, "minute 61 is not between 0 and 59"),
    "zone": ({"zone": "Europe/Berln"}, "there is no time zone 'Europe/Berln'"),
    "zone of another kind": ({"zone": "+08:00"}, "there is no time zone"),
    "zone that is a path": ({"zone": "../../etc/passwd"}, "there is no time zone"),
    "priority": ({"priority": "hihg"}, "unknown priority 'hihg'"),
    "priority and score": ({"priority": "high", "priority_score": 3}, "contradict"),
    "score": ({"priority_score": 1.5}, "1.5"),
    "handler": ({"handler": "none"}, "there is no handler 'none'"),
    "catch up": ({"catch_up": "some"}, "catch_up is 'some'"),
    "overlap": ({"overlap": "queue"}, "overlap is 'queue'"),
    "source": ({"url_source": "daily.txt"}, "'daily.txt' is no address"),
    "outside": ({"url_source": "file:///etc/passwd"}, "lies outside of the folders"),
    "empty name": ({"name": ""}, "cannot name a schedule"),
    "blanks": ({"name": " a"}, "cannot name a schedule"),
    "long name": ({"name": "x" * 101}, "cannot name a schedule"),
    "control characters": ({"name": "a\x1b[31m"}, "\\x1b"),
    "metadata": ({"metadata": {"a": {1}}}, "cannot be stored as JSON"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_named_and_nothing_is_stored(scheduler: Scheduler, name: str) -> None:
    arguments, said = MISTAKES[name]
    with pytest.raises(QueuectlError) as caught:
        scheduler.schedule_recurring(**{"url_source": SOURCE, "cron_expression": DAILY} | arguments)
    assert said in caught.value.message
    assert caught.value.message.isprintable()
    assert caught.value.exit_code in {ExitCode.USAGE, ExitCode.BAD_INPUT_FILE}
    assert scheduler.list_schedules() == []


def test_a_zone_that_is_nearly_right_is_proposed(scheduler: Scheduler) -> None:
    with pytest.raises(InvalidInputError) as caught:
        plan_schedule(scheduler.settings, SOURCE, DAILY, zone="Asia/Shanghei")
    assert caught.value.hint == "did you mean Asia/Shanghai?"


# What a source holds.


def test_a_source_is_looked_at_and_nothing_is_kept(scheduler: Scheduler, database: Database) -> None:
    write(scheduler, "https://a.test/1", "foo", "https://a.test/2")
    report = scheduler.inspect_source(plan_schedule(scheduler.settings, SOURCE, DAILY))
    assert (report.form, report.entries, report.invalid, report.only_new) == ("list", 2, 1, False)
    assert "line 2" in str(report.complaint)
    write(scheduler, "<rss><item><link>https://a.test/</link></item></rss>")
    assert scheduler.inspect_source(plan_schedule(scheduler.settings, SOURCE, DAILY)).only_new
    write(scheduler, "<html>")
    with pytest.raises(BadInputFileError):
        scheduler.inspect_source(plan_schedule(scheduler.settings, SOURCE, DAILY))
    with pytest.raises(SourceUnavailableError):
        scheduler.inspect_source(plan_schedule(scheduler.settings, "file://none", DAILY))
    assert all_rows(database, "tasks") == []


# Steering.


def test_run_now_submits_at_once(scheduler: Scheduler) -> None:
    write(scheduler, "https://a.test/1", "https://a.test/2")
    name = scheduler.schedule_recurring(SOURCE, DAILY)
    planned = scheduler.get_schedule(name).next_tick_at
    tick = scheduler.run_now(name)
    assert (tick.accepted, tick.by_hand, tick.outcome) == (2, True, "submitted")
    assert scheduler.get_ticks(name) == [tick]
    assert scheduler.last_ticks() == {tick.schedule_id: tick}
    assert scheduler.get_schedule(name).next_tick_at == planned


def test_a_resumed_schedule_goes_on_at_its_next_tick(scheduler: Scheduler, database: Database) -> None:
    name = scheduler.schedule_recurring(SOURCE, "* * * * *")
    assert scheduler.pause(name)
    assert not scheduler.pause(name)
    assert scheduler.get_schedule(name).paused
    with database.writing() as transaction:
        transaction.execute("UPDATE schedules SET next_tick_at = 60000")
    before = now_ms()
    assert scheduler.resume(name)
    after = now_ms()
    assert not scheduler.resume(name)
    next_minutes = {moment // 60_000 * 60_000 + 60_000 for moment in (before, after)}
    assert scheduler.get_schedule(name).next_tick_at in next_minutes


def test_a_removed_schedule_leaves_its_tasks(scheduler: Scheduler, database: Database) -> None:
    write(scheduler, "https://a.test/1")
    name = scheduler.schedule_recurring(SOURCE, DAILY, only_new=True)
    scheduler.run_now(name)
    scheduler.remove(name)
    assert scheduler.list_schedules() == []
    assert all_rows(database, "ticks"), "they are kept for as long as the removal can be undone"
    while forget_undo(database, 2**60, 100):
        pass
    assert (all_rows(database, "ticks"), all_rows(database, "source_urls")) == ([], [])
    assert len(all_rows(database, "tasks")) == 1


def test_every_verb_names_a_schedule_that_is_not_there(scheduler: Scheduler) -> None:
    verbs = (scheduler.get_schedule, scheduler.get_ticks, scheduler.pause, scheduler.resume, scheduler.remove)
    for verb in (*verbs, scheduler.run_now, scheduler.preview):
        with pytest.raises(ScheduleNotFoundError, match="there is no schedule 'none'"):
            verb("none")


def test_a_preview_shows_what_the_clocks_do() -> None:
    start = round(datetime(2026, 3, 28, 12, tzinfo=UTC).timestamp() * 1000)
    found = preview("30 2 * * *", "Europe/Berlin", 3, after=start)
    assert [tick.change for tick in found] == ["skipped", None, None]
    for wrong in (0, -1, 1001):
        with pytest.raises(InvalidInputError):
            preview("30 2 * * *", "UTC", wrong)


def test_a_preview_of_a_schedule_begins_with_its_next_tick(scheduler: Scheduler) -> None:
    name = scheduler.schedule_recurring(SOURCE, DAILY)
    found = scheduler.preview(name, 5)
    assert len(found) == 5
    assert found[0].at == scheduler.get_schedule(name).next_tick_at


def test_a_schedule_with_a_problem_is_in_the_status(scheduler: Scheduler) -> None:
    name = scheduler.schedule_recurring("file://none.txt", DAILY)
    with pytest.raises(SourceUnavailableError):
        scheduler.run_now(name)
    (problem,) = queuectl.get_monitor(scheduler.settings).get_realtime_status().schedule_problems
    assert (problem.name, problem.problem) == (name, f"there is no file {scheduler.settings.home}/none.txt")
