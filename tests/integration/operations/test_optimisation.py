"""Tasks get new times in a window: all of them or none, with everything counted that is planned."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from queuectl import Scheduler, Settings, get_scheduler
from queuectl.clock import now_ms
from queuectl.domain import window_plan
from queuectl.domain.lifecycle import Move, State, sources
from queuectl.domain.selection import Selection
from queuectl.errors import (
    InvalidInputError,
    NoPlanError,
    RefusedError,
    TaskNotFoundError,
    WrongStateError,
)
from queuectl.store import planning, tasks
from queuectl.store.database import Database
from queuectl.store.ordering import apply_aging
from tests.support.factories import (
    all_rows,
    counts_are_right,
    new_task,
    states,
    stored,
    submit,
    submit_copies,
    task_in,
)

HOUR = 3_600_000
DAY = 24 * HOUR
BASE = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=2)
MIDNIGHT = round(BASE.timestamp() * 1000)


@pytest.fixture
def scheduler(settings: Settings) -> Iterator[Scheduler]:
    scheduler = get_scheduler(settings)
    yield scheduler
    scheduler.close()


def window(start: float = 8, end: float = 18, cap: int = 5) -> dict[str, Any]:
    """Return a window between two hours of the day after tomorrow."""
    return {
        "start": BASE + timedelta(hours=start),
        "end": BASE + timedelta(hours=end),
        "max_per_hour": cap,
    }


def at(hour: float) -> int:
    return MIDNIGHT + round(hour * HOUR)


def queued(database: Database, count: int, **fields: Any) -> list[int]:
    with database.writing() as transaction:
        return submit(transaction, *(new_task(number, **fields) for number in range(1, count + 1)))


def due(database: Database) -> dict[int, int]:
    return {row["id"]: row["due_at"] for row in all_rows(database, "tasks")}


class TestPlanning:
    """What the tasks are like afterwards."""

    def test_waiting_tasks_are_scheduled_evenly(self, database: Database, scheduler: Scheduler) -> None:
        ids = queued(database, 5)
        found = scheduler.optimize_schedule(ids, window())
        assert [each.after for each in found.times] == [at(8), at(10), at(12), at(14), at(16)]
        assert [due(database)[number] for number in ids] == [each.after for each in found.times]
        assert set(states(database).values()) == {State.SCHEDULED}
        row = stored(database, ids[1])
        assert (row["run_at"], row["fence"], row["attempt"]) == (at(10), 0, 0)
        assert (found.moved, found.applied, found.clipped) == (5, True, False)
        assert counts_are_right(database)

    def test_every_state_that_can_get_another_time_does(
        self, database: Database, scheduler: Scheduler
    ) -> None:
        ids = [
            task_in(database, State.RETRYING, 1),
            task_in(database, State.SCHEDULED, 2, run_at=at(1)),
            task_in(database, State.QUEUED, 3),
        ]
        scheduler.optimize_schedule([f"task_{number}" for number in ids], window())
        assert set(states(database).values()) == {State.SCHEDULED}
        assert counts_are_right(database)

    def test_a_second_call_moves_nothing(self, database: Database, scheduler: Scheduler) -> None:
        ids = queued(database, 7)
        scheduler.optimize_schedule(ids, window())
        before = all_rows(database, "tasks")
        assert scheduler.optimize_schedule(ids, window()).moved == 0
        assert all_rows(database, "tasks") == before

    def test_a_dry_run_changes_nothing_and_says_the_same(
        self, database: Database, scheduler: Scheduler
    ) -> None:
        ids = queued(database, 3)
        before = all_rows(database, "tasks")
        planned = scheduler.optimize_schedule(ids, window(), dry_run=True)
        assert all_rows(database, "tasks") == before
        assert not planned.applied
        assert planned.times == scheduler.optimize_schedule(ids, window()).times

    def test_other_planned_starts_of_every_queue_are_counted(
        self, database: Database, scheduler: Scheduler
    ) -> None:
        for number, hour in enumerate((7.5, 8.5, 9.5), 10):
            task_in(database, State.SCHEDULED, number, score=8, run_at=at(hour))
        ids = queued(database, 2)
        with pytest.raises(NoPlanError):
            scheduler.optimize_schedule(ids, window(8, 10, cap=1))
        found = scheduler.optimize_schedule(ids, window(8, 14, cap=1))
        assert found.counted == 3
        starts = sorted(due(database).values())
        assert all(later - earlier >= HOUR for earlier, later in pairwise(starts))

    def test_the_starts_of_the_last_hour_are_counted_where_the_window_begins_now(
        self, database: Database, scheduler: Scheduler
    ) -> None:
        task_in(database, State.RUNNING, 1)
        ids = queued(database, 1)
        moment = now_ms()
        with database.writing() as transaction:
            transaction.execute(
                "UPDATE tasks SET started_at = %s WHERE state = 'running'", (moment - HOUR // 2,)
            )
        start = datetime.fromtimestamp(moment / 1000, UTC)
        given = {"start": start, "end": start + timedelta(hours=3), "max_per_hour": 1}
        found = scheduler.optimize_schedule(ids, given)
        assert found.times[0].after >= moment + HOUR // 2

    def test_what_has_passed_of_a_window_is_not_used(self, database: Database, scheduler: Scheduler) -> None:
        ids = queued(database, 2)
        moment = now_ms()
        start = datetime.fromtimestamp(moment / 1000, UTC)
        given = {"start": start - timedelta(hours=2), "end": start + timedelta(hours=2), "max_per_hour": 5}
        found = scheduler.optimize_schedule(ids, given)
        assert found.clipped
        assert all(each.after >= moment for each in found.times)

    def test_a_queues_host_gap_and_rate_limit_are_kept(
        self, database: Database, scheduler: Scheduler
    ) -> None:
        with database.writing() as transaction:
            transaction.execute(
                "UPDATE queues SET host_gap = 7200, rate_starts = 2, rate_period = %s WHERE name = 'medium_priority'",
                (3 * HOUR,),
            )
        ids = queued(database, 3)
        with pytest.raises(NoPlanError) as refusal:
            scheduler.optimize_schedule(ids, window(8, 12, cap=100))
        assert refusal.value.binding == ("host_gap",)
        assert refusal.value.later_end == at(12) + 3000, "each gap is a second longer than what was asked for"
        scheduler.optimize_schedule(ids, window(8, 13, cap=100))
        assert all(two - one >= 2 * HOUR for one, two in pairwise(sorted(due(database).values())))

    def test_the_stored_aging_ranks_the_new_times(self, database: Database, scheduler: Scheduler) -> None:
        apply_aging(database, 10)
        (number,) = queued(database, 1)
        scheduler.optimize_schedule([number], window())
        row = stored(database, number)
        assert row["rank"] == row["due_at"] - 5 * 600_000

    def test_filters_take_what_can_get_another_time(self, database: Database, scheduler: Scheduler) -> None:
        task_in(database, State.SUCCEEDED, 1)
        mine = queued(database, 2, score=3)
        found = scheduler.optimize_selection(Selection(queues=("low_priority", "medium_priority")), window())
        assert sorted(each.id for each in found.times) == mine


class TestRefusals:
    """One sentence, and nothing is changed."""

    @pytest.mark.parametrize("state", sorted(set(State) - sources(Move.RESCHEDULE)))
    def test_a_task_that_has_started_or_ended_is_named(
        self, database: Database, scheduler: Scheduler, state: State
    ) -> None:
        other = task_in(database, state, 1)
        ids = queued(database, 2)
        before = all_rows(database, "tasks")
        with pytest.raises(WrongStateError, match=f"task_{other} is {state}; nothing was changed"):
            scheduler.optimize_schedule([*ids, other], window())
        assert all_rows(database, "tasks") == before

    def test_a_task_that_does_not_exist_is_named(self, database: Database, scheduler: Scheduler) -> None:
        ids = queued(database, 1)
        with pytest.raises(TaskNotFoundError, match="there is no task task_77, task_78; nothing was changed"):
            scheduler.optimize_schedule([*ids, 77, 78], window())
        with pytest.raises(TaskNotFoundError, match="task_77"):
            scheduler.optimize_selection(Selection(ids=(*ids, 77)), window())
        assert set(states(database).values()) == {State.QUEUED}

    def test_no_plan_says_what_is_in_the_way_and_what_would_be_enough(
        self, database: Database, scheduler: Scheduler
    ) -> None:
        ids = queued(database, 7)
        before = all_rows(database, "tasks")
        with pytest.raises(NoPlanError) as refusal:
            scheduler.optimize_schedule(ids, window(8, 10, cap=2))
        error = refusal.value
        assert (error.binding, error.later_end, error.higher_cap, error.leave_out) == (
            ("cap",),
            at(11) + 1000,
            4,
            3,
        )
        assert "too short for 2 starts an hour" in error.message
        assert error.hint is not None
        assert "--max-per-hour 4" in error.hint
        assert all_rows(database, "tasks") == before
        assert scheduler.optimize_schedule(ids, window(8, 10, cap=4), dry_run=True).moved == 7
        assert scheduler.optimize_schedule(ids[:4], window(8, 10, cap=2), dry_run=True).moved == 4

    @pytest.mark.parametrize(
        ("given", "says"),
        [
            (window(8, 8), "which is not after its start"),
            (window(9, 8), "which is not after its start"),
            (window(-200, -100), "the window has passed"),
            (window(cap=0), "0 is not a whole number from 1"),
            (window(cap=-3), "-3 is not a whole number from 1"),
            (window(cap=True), "True is not a whole number from 1"),
            (window() | {"max_per_hour": 2.5}, "2.5 is not a whole number"),
            (window() | {"max_per_hour": "5"}, "'5' is not a whole number"),
            (window() | {"start": "tomorrow"}, "is not a datetime"),
            (window() | {"weekdays": 3}, "'weekdays' unknown"),
            ({"start": BASE}, "end and max_per_hour missing"),
            ({}, "start and end and max_per_hour missing"),
            (None, "None is not a mapping"),
            ([1, 2], "is not a mapping"),
        ],
    )
    def test_a_window_that_is_none(self, scheduler: Scheduler, given: Any, says: str) -> None:
        with pytest.raises(InvalidInputError, match=says):
            scheduler.optimize_schedule([1], given)

    @pytest.mark.parametrize("unknown", ["x", "", 0, -1, 1.5, None, "batch_1"])
    def test_an_id_that_is_none(self, scheduler: Scheduler, unknown: Any) -> None:
        with pytest.raises(TaskNotFoundError, match="is not a task id"):
            scheduler.optimize_schedule([unknown], window())

    def test_no_task_at_all(self, scheduler: Scheduler) -> None:
        with pytest.raises(InvalidInputError, match="there is no task to plan"):
            scheduler.optimize_schedule([], window())


class TestMeanwhile:
    """What others do while a plan is made."""

    def act(self, monkeypatch: pytest.MonkeyPatch, action: Callable[[], object], times: int) -> None:
        """Let something happen after each of the first plans."""
        real, left = window_plan.plan, iter(range(times))

        def plan(problem: Any) -> Any:
            found = real(problem)
            if next(left, None) is not None:
                thread = threading.Thread(target=action)  # has a connection of its own
                thread.start()
                thread.join()
            return found

        monkeypatch.setattr("queuectl.operations.optimisation.plan", plan)

    def test_a_task_that_starts_meanwhile_is_named(
        self, database: Database, scheduler: Scheduler, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ids = queued(database, 2)

        def start() -> None:
            with database.writing() as transaction:
                tasks.start(transaction, "medium_priority", 1, node="a", now=now_ms())
            database.close()

        self.act(monkeypatch, start, 1)
        with pytest.raises(WrongStateError, match=f"task_{ids[0]} is running; nothing was changed"):
            scheduler.optimize_schedule(ids, window())
        assert sorted(states(database).values()) == [State.QUEUED, State.RUNNING]

    def test_another_plan_for_the_same_hour_is_counted(
        self, database: Database, settings: Settings, scheduler: Scheduler, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        mine, yours = queued(database, 2)

        def plan_too() -> None:
            other = Scheduler(settings)
            other.optimize_schedule([yours], window(8, 10, cap=1))
            other.close()

        self.act(monkeypatch, plan_too, 1)
        scheduler.optimize_schedule([mine], window(8, 10, cap=1))
        one, two = sorted(due(database).values())
        assert two - one >= HOUR

    def test_what_changes_for_ever_is_given_up(
        self, database: Database, scheduler: Scheduler, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ids = queued(database, 1)
        numbers = iter(range(50, 100))

        def submit_more() -> None:
            task_in(database, State.SCHEDULED, next(numbers), run_at=at(9))
            database.close()

        self.act(monkeypatch, submit_more, 10)
        with pytest.raises(RefusedError, match="changes faster than a plan can be made"):
            scheduler.optimize_schedule(ids, window())
        assert states(database)[ids[0]] is State.QUEUED


def test_times_without_a_zone_are_read_in_the_configured_one(settings: Settings, database: Database) -> None:
    berlin = Scheduler(replace(settings, timezone="Europe/Berlin"))
    ids = queued(database, 1)
    start = datetime(2030, 3, 31, 2, 30)  # skipped by the clocks  # noqa: DTZ001
    berlin.optimize_schedule(ids, {"start": start, "end": datetime(2030, 3, 31, 9), "max_per_hour": 1})  # noqa: DTZ001
    assert due(database)[ids[0]] == round(datetime(2030, 3, 31, 1, tzinfo=UTC).timestamp() * 1000)
    berlin.close()


def test_thousands_of_tasks_are_planned_and_written(database: Database, scheduler: Scheduler) -> None:
    with database.writing() as transaction:
        batch = [new_task(number, score=(8, 5, 3)[number % 3]) for number in range(2_500)]
        submit_copies(transaction, batch)
    found = scheduler.optimize_selection(Selection(batch=1), window(0, 20, cap=150))
    assert found.moved == 2_500
    with database.reading() as transaction:
        assert len(planning.planned_starts(transaction, at(0), at(20), [])) == 2_500
    assert counts_are_right(database)
