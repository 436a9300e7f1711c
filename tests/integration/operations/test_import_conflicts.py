"""What is here already is recognised, limits hold, and an import is stored whole or not at all."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from queuectl import QueueManager, Settings
from queuectl.clock import now_ms
from queuectl.domain.lifecycle import State
from queuectl.domain.transfer import QueueChange
from queuectl.errors import (
    BadInputFileError,
    DuplicateTaskError,
    InvalidInputError,
    QueueFullError,
    RefusedError,
    ScheduleExistsError,
)
from queuectl.settings import HandlerSettings
from queuectl.store.database import Database
from tests.support.exports import a_file, exported, task
from tests.support.factories import all_rows, counts_are_right, task_in

URL = "https://example.com/1"
WHEN, LATER = "2026-11-25T10:00:00.000Z", "2026-11-25T10:00:00.001Z"


@pytest.fixture
def manager(settings: Settings) -> Iterator[QueueManager]:
    with QueueManager(settings) as manager:
        yield manager


def bring(manager: QueueManager, *records: Any, **options: Any) -> Any:
    """Import records and return the receipt."""
    return manager.import_queue(io.BytesIO(a_file(records)), **options)


def test_the_same_file_twice_brings_its_tasks_once(manager: QueueManager, database: Database) -> None:
    for number, state in enumerate(
        (State.SUCCEEDED, State.DEAD, State.CANCELLED, State.SCHEDULED, State.QUEUED)
    ):
        task_in(database, state, number)
    content, _ = exported(database)
    again = manager.import_queue(io.BytesIO(content))
    assert (again.tasks, again.skipped) == (0, 5)
    assert len(all_rows(database, "tasks")) == 5


@pytest.mark.parametrize(
    ("here", "brought", "conflict"),
    [
        ({}, {}, True),
        ({}, {"created_at": LATER}, True),
        ({"created_at": WHEN}, {"created_at": WHEN, "score": 10}, True),
        ({}, {"created_at": LATER, "score": 10}, False),
        ({}, {"created_at": LATER, "handler": "report"}, False),
        ({}, {"created_at": LATER, "state": "cancelled", "finished_at": LATER}, False),
        ({"state": "cancelled", "finished_at": WHEN}, {}, False),
        (
            {"created_at": WHEN, "state": "dead", "finished_at": WHEN},
            {"created_at": WHEN, "state": "dead", "finished_at": LATER},
            True,
        ),
        ({"unique": True}, {"created_at": LATER, "score": 10, "unique": True}, True),
        ({}, {"url": URL + "?", "created_at": LATER}, False),
    ],
)
def test_a_task_is_here_already_by_the_written_rule(
    settings: Settings, here: dict[str, Any], brought: dict[str, Any], conflict: bool
) -> None:
    with_handler = replace(settings, handlers={"report": HandlerSettings(command=("true",))})
    with QueueManager(with_handler) as manager:
        bring(manager, task(1, **here))
        receipt = bring(manager, task(1, **brought))
        assert (receipt.skipped, receipt.tasks) == ((1, 0) if conflict else (0, 1))
        assert sum(receipt.conflicts.values()) == conflict


def test_a_conflict_can_be_imported_all_the_same_or_refuse_the_file(
    manager: QueueManager, database: Database
) -> None:
    bring(manager, task(1))
    with pytest.raises(
        DuplicateTaskError, match=r"line 3: task_1 is this task already; nothing was imported"
    ):
        bring(manager, task(7), task(8, url=URL), on_conflict="error")
    assert len(manager.list_tasks()) == 1
    receipt = bring(manager, task(7), task(8, url=URL), on_conflict="new")
    assert (receipt.tasks, receipt.skipped) == (2, 0)
    assert counts_are_right(database)


def test_what_is_unique_stays_unique(manager: QueueManager) -> None:
    bring(manager, task(1, unique=True))
    receipt = bring(manager, task(1, unique=True, score=10), on_conflict="new")
    assert (receipt.tasks, receipt.skipped) == (0, 1)


def test_a_schedule_of_the_same_name_is_left_out_renamed_or_refuses_the_file(
    manager: QueueManager, database: Database
) -> None:
    schedule = {
        "schedule": {"name": "daily", "source": "https://e.org/", "cron": "0 10 * * *", "created_at": WHEN}
    }
    seen = {"seen": {"schedule": "daily", "keys": [-5, 3]}}
    began = now_ms()

    def brought(on_conflict: str = "skip", **options: Any) -> tuple[tuple[str, ...], int]:
        receipt = bring(manager, schedule, seen, on_conflict=on_conflict, **options)
        return receipt.schedules, receipt.schedules_skipped

    assert brought(dry_run=True) == brought() == (("daily",), 0)
    assert brought() == ((), 1)
    for dry_run in (True, False):
        with pytest.raises(ScheduleExistsError, match="line 2: there is a schedule 'daily' already"):
            brought("error", dry_run=dry_run)
    assert brought("new") == (("daily-2",), 0)
    assert brought("new") == (("daily-3",), 0)
    rows = all_rows(database, "schedules")
    assert [row["name"] for row in rows] == ["daily", "daily-2", "daily-3"]
    assert all(row["next_tick_at"] > began for row in rows)
    assert [(row["schedule_id"], row["url_key"]) for row in all_rows(database, "source_urls")] == [
        (row["id"], key) for row in rows for key in (-5, 3)
    ]


def test_a_task_that_is_skipped_is_what_came_of_a_dead_letter_all_the_same(
    manager: QueueManager, database: Database
) -> None:
    bring(manager, task(9, created_at=WHEN))
    letter = {"task": 5, "cause": "exhausted", "attempts": 1, "died_at": WHEN}
    dead = task(5, state="dead", finished_at=WHEN)
    again = letter | {"resurrected_as": 9, "resurrected_at": LATER}
    bring(manager, dead, {"dead_letter": again}, task(9, created_at=WHEN))
    (row,) = all_rows(database, "dead_letters")
    assert (row["task_id"], row["resurrected_as"]) == (2, 1)


def test_what_did_not_come_along_has_not_been_resurrected(manager: QueueManager, database: Database) -> None:
    letter = {"task": 5, "cause": "exhausted", "attempts": 1, "died_at": WHEN}
    again = letter | {"resurrected_as": 9, "resurrected_at": LATER}
    bring(manager, task(5, state="dead", finished_at=WHEN), {"dead_letter": again})
    (row,) = all_rows(database, "dead_letters")
    assert (row["resurrected_as"], row["resurrected_at"]) == (None, None)
    assert manager.resurrect_from_dead_letter(row["id"]) == "task_2"


def test_an_answer_that_is_none_is_refused(manager: QueueManager) -> None:
    with pytest.raises(InvalidInputError, match="'merge'"):
        bring(manager, task(1), on_conflict="merge")


def test_a_dry_run_says_the_same_and_changes_nothing(manager: QueueManager, database: Database) -> None:
    bring(manager, task(1), task(2, score=10))
    records = [
        {"queue": {"name": "low", "max_size": 5}},
        {"batch": {"id": 3, "created_at": WHEN, "name": "b"}},
        task(5, url=URL),
        task(6, batch=3, state="dead", finished_at=WHEN),
        {"dead_letter": {"task": 6, "cause": "exhausted", "attempts": 1, "died_at": WHEN}},
    ]
    before = {table: all_rows(database, table) for table in ("tasks", "batches", "queues", "dead_letters")}
    trial = bring(manager, *records, dry_run=True)
    assert {table: all_rows(database, table) for table in before} == before
    real = bring(manager, *records)
    assert trial.dry_run
    assert not real.dry_run
    for name in ("new", "conflicts", "skipped", "batches", "dead_letters", "queue_changes"):
        assert getattr(trial, name) == getattr(real, name)
    assert real.created == ((3, 3),)
    assert [(each.old_first, each.new_first) for each in real.ids] == [(6, 3)]


def test_batches_have_what_came_of_them_and_empty_ones_do_not_come(
    manager: QueueManager, database: Database
) -> None:
    bring(manager, task(1))
    batches = [{"batch": {"id": number, "created_at": WHEN, "name": str(number)}} for number in (3, 5, 8)]
    receipt = bring(manager, *batches, task(1, batch=5), task(2, batch=8), task(3), task(4, batch=8))
    assert receipt.batches == 1
    (batch,) = all_rows(database, "batches")
    assert (batch["name"], batch["submitted"], batch["first_task"], batch["last_task"]) == ("8", 2, 2, 4)
    assert [row["batch_id"] for row in all_rows(database, "tasks")] == [None, batch["id"], None, batch["id"]]


def test_ids_are_mapped_in_ranges(manager: QueueManager) -> None:
    bring(manager, task())
    receipt = bring(
        manager, *(task(number, url=f"https://e.org/{number}") for number in (10, 11, 12, 20, 30, 31))
    )
    assert [(each.old_first, each.old_last, each.new_first, each.new_last) for each in receipt.ids] == [
        (10, 12, 2, 4),
        (20, 20, 5, 5),
        (30, 31, 6, 7),
    ]
    assert receipt.created == ((2, 7),)


def test_a_queue_that_would_be_too_full_refuses_the_file(manager: QueueManager, database: Database) -> None:
    bring(manager, {"queue": {"name": "medium", "max_size": 3}}, task(1))
    ended = [task(number, state="cancelled", finished_at=WHEN) for number in (7, 8, 9)]
    for dry_run in (True, False):
        with pytest.raises(QueueFullError, match=r"may hold 3 waiting tasks and holds 1; .* brings 3 more"):
            bring(manager, *(task(number) for number in (2, 3, 4)), dry_run=dry_run)
    assert len(all_rows(database, "tasks")) == 1
    assert bring(manager, task(2), task(3), *ended).tasks == 5
    assert counts_are_right(database)


def test_the_limit_that_a_file_brings_holds_for_what_it_brings(
    manager: QueueManager, database: Database
) -> None:
    records = [{"queue": {"name": "medium", "max_size": 1}}, task(1), task(2)]
    for dry_run in (True, False):
        with pytest.raises(QueueFullError):
            bring(manager, *records, dry_run=dry_run)
    assert [row["max_size"] for row in all_rows(database, "queues")] == [None] * 5


def test_whoever_is_asked_about_settings_can_stop_the_import(
    manager: QueueManager, database: Database
) -> None:
    told: list[tuple[QueueChange, ...]] = []

    def decline(changes: tuple[QueueChange, ...]) -> None:
        told.append(changes)
        raise RefusedError("no")

    with pytest.raises(RefusedError, match="no"):
        bring(manager, {"queue": {"name": "low", "paused": True}}, task(1), confirm=decline)
    assert told == [(QueueChange("low_priority", "paused", "no", "yes"),)]
    assert all_rows(database, "tasks") == []
    bring(manager, task(1), confirm=decline)
    bring(manager, {"queue": {"name": "low"}}, task(2), confirm=decline)
    assert len(told) == 1


def test_an_error_in_the_middle_of_storing_undoes_all_of_it(
    manager: QueueManager, database: Database
) -> None:
    unique = [task(number, url="https://e.org/", unique=True) for number in (1, 9_000)]
    many = [task(number, batch=1) for number in range(2, 6_000)]
    with pytest.raises(BadInputFileError):
        bring(manager, {"batch": {"id": 1, "created_at": WHEN}}, unique[0], *many, unique[1])
    for table in ("tasks", "task_urls", "batches", "counters"):
        assert all_rows(database, table) == []


def test_progress_is_told_for_both_steps(manager: QueueManager) -> None:
    told: list[tuple[str, int, int | None]] = []
    bring(manager, *(task(number) for number in range(1, 2_500)), on_progress=lambda *step: told.append(step))
    assert {step for step, _, _ in told} == {"reading", "storing"}
    assert told[-1] == ("storing", 2_499, 2_499)


def test_imported_tasks_can_be_controlled_and_new_ones_get_numbers_behind_them(
    manager: QueueManager, database: Database
) -> None:
    bring(manager, task(70), task(71, state="dead", finished_at=WHEN))
    manager.cancel_task(1)
    manager.retry_task(2)
    assert manager.submit_task("https://e.org/") == "task_3"
    assert [row["state"] for row in all_rows(database, "tasks")] == ["cancelled", "queued", "queued"]
    assert counts_are_right(database)
