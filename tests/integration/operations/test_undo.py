"""Undo: everything goes back that nobody has touched since, nothing else does, and the rest is told."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from queuectl import QueueManager, Settings
from queuectl.clock import now_ms
from queuectl.domain.bulk import Outcome
from queuectl.domain.dead_letter import DeadLetterSelection
from queuectl.domain.lifecycle import WAITING, Move, State
from queuectl.domain.selection import Selection
from queuectl.errors import NotFoundError, RefusedError
from queuectl.operations import bulk
from queuectl.operations.auditing import latest_operation
from queuectl.operations.scheduler import Scheduler
from queuectl.operations.undo import forget_undo
from queuectl.store import tasks
from queuectl.store.database import Database
from queuectl.store.ordering import apply_aging
from tests.support.factories import (
    NODE,
    NOW,
    all_rows,
    counts_are_right,
    ending,
    finish,
    new_task,
    states,
    stored,
    submit,
    submit_copies,
    task_in,
    work_of,
)

KEPT = ("state", "queue", "priority_score", "rank", "due_at", "run_at", "batch_id", "finished_at", "attempt")
"""What has to be after undoing as it was before."""


@pytest.fixture
def manager(settings: Settings) -> Iterator[QueueManager]:
    with QueueManager(settings) as manager:
        yield manager


@pytest.fixture
def scheduler(settings: Settings) -> Iterator[Scheduler]:
    (settings.home / "urls.txt").write_text("https://a.test/1\n")
    with Scheduler(settings) as scheduler:
        yield scheduler


@pytest.fixture
def small_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make groups so small that a few tasks need several."""
    monkeypatch.setattr(bulk, "GROUP", 7)
    monkeypatch.setattr(bulk, "_PAUSE_SECONDS", 0.0)


def kept(database: Database) -> dict[int, dict[str, object]]:
    """Return what matters of every task; dispatched ones as the queued ones that they become again."""
    rows = {row["id"]: {name: row[name] for name in KEPT} for row in all_rows(database, "tasks")}
    for row in rows.values():
        if row["state"] == State.DISPATCHED:
            row["state"] = State.QUEUED.value
    return rows


def latest() -> int:
    number = latest_operation()
    assert number is not None
    return number


# Cancelling.


@pytest.mark.usefixtures("small_groups")
def test_cancelled_tasks_go_back_to_where_they_waited(manager: QueueManager, database: Database) -> None:
    with database.writing() as transaction:
        submit_copies(transaction, [new_task(number, score=number % 11) for number in range(30)])
        submit(transaction, new_task(90, run_at=NOW + 10**9))
    task_in(database, State.RETRYING, 91, score=15)
    task_in(database, State.DISPATCHED, 92, score=16)
    before = kept(database)
    cancelled = manager.cancel_tasks(Selection())
    assert (cancelled.done, set(states(database).values())) == (33, {State.CANCELLED})
    assert cancelled.operation is not None
    undone = manager.undo(cancelled.operation)
    assert (undone.done, undone.anything_left) == (33, False)
    assert kept(database) == before
    assert counts_are_right(database)


def test_only_what_nobody_has_touched_goes_back(manager: QueueManager, database: Database) -> None:
    with database.writing() as transaction:
        untouched, retried, again, removed = submit(transaction, *map(new_task, range(4)))
    running = task_in(database, State.RUNNING, 9, score=8)
    number = manager.cancel_tasks(Selection()).operation or 0
    manager.retry_task(retried)
    manager.retry_task(again)
    manager.cancel_task(again)
    with database.writing() as transaction:
        transaction.execute("DELETE FROM task_urls WHERE task_id = %s", (removed,))
        transaction.execute("DELETE FROM tasks WHERE id = %s", (removed,))
        transaction.tally.enter("medium_priority", State.CANCELLED, -1)
    plan = manager.undo_plan(number)
    assert dict(plan.outcomes) == {"done": 1, "changed": 2, "missing": 1, "ran": 1}
    assert (plan.verb, plan.target, plan.undone_by) == ("cancel", "--all", None)
    assert plan.sample == (untouched,)
    result = manager.undo(number)
    assert {outcome: count for outcome, count in result.outcomes.items() if count} == {
        Outcome.DONE: 1,
        Outcome.CHANGED: 2,
        Outcome.MISSING: 1,
    }
    assert result.ran == 1
    assert {(each.id, each.state) for each in result.left} == {
        (retried, State.QUEUED),
        (again, State.CANCELLED),
        (removed, None),
    }
    assert states(database) == {
        untouched: State.QUEUED,
        retried: State.QUEUED,
        again: State.CANCELLED,
        running: State.RUNNING,
    }
    assert manager.undo_plan(number).undone_by == result.operation
    assert counts_are_right(database)


def test_a_task_that_was_asked_to_stop_is_not_taken_back(manager: QueueManager, database: Database) -> None:
    task = task_in(database, State.RUNNING)
    manager.cancel_task(task)
    number, work = latest(), work_of(database, task)
    with database.writing() as transaction:
        finish(transaction, [ending(work, Move.CANCEL)])
    result = manager.undo(number)
    assert (result.ran, result.done, result.anything_done) == (1, 0, False)
    assert result.operation is None
    assert states(database) == {task: State.CANCELLED}


def test_a_restored_task_runs_again_as_if_nothing_had_been(manager: QueueManager, database: Database) -> None:
    task = task_in(database, State.DISPATCHED)
    old = work_of(database, task)
    manager.cancel_task(task)
    manager.undo(latest())
    with database.writing() as transaction:
        assert tasks.claim(transaction, [(task, old.fence)], node=NODE, now=NOW) == []
        (work,), _ = tasks.start(transaction, "medium_priority", 9, node=NODE, now=NOW)
        assert (work.id, work.attempt) == (task, 1)
        finish(transaction, [ending(work, Move.SUCCEED)])
    assert counts_are_right(database)


def test_a_restored_task_has_the_rank_of_the_aging_that_holds_now(
    manager: QueueManager, database: Database
) -> None:
    cancelled = task_in(database, State.QUEUED, 1, score=8)
    manager.cancel_task(cancelled)
    number = latest()
    waiting = task_in(database, State.QUEUED, 2, score=8)
    assert apply_aging(database, 30)
    manager.undo(number)
    assert stored(database, cancelled)["rank"] == stored(database, waiting)["rank"] != -8


def test_a_unique_task_whose_url_has_another_open_task_stays_cancelled(
    manager: QueueManager, database: Database
) -> None:
    first = manager.submit_task("https://a.test/", unique=True)
    other = manager.submit_task("https://a.test/other", unique=True)
    number = manager.cancel_tasks(Selection()).operation or 0
    manager.submit_task("https://a.test/", unique=True)
    result = manager.undo(number)
    assert (result.done, result.outcomes[Outcome.DUPLICATE]) == (1, 1)
    assert manager.get_task(first).state is State.CANCELLED
    assert manager.get_task(other).state is State.QUEUED
    assert counts_are_right(database)


def test_clearing_a_queue_is_undone(manager: QueueManager, database: Database) -> None:
    with database.writing() as transaction:
        batch = submit_copies(transaction, [new_task(number) for number in range(9)])
    before = kept(database)
    manager.clear_queue("medium")
    manager.undo(latest())
    assert kept(database) == before
    assert counts_are_right(database)
    assert stored(database, 1)["batch_id"] == batch


# Undoing an undo.


@pytest.mark.usefixtures("small_groups")
def test_undoing_can_be_undone_again_and_again(manager: QueueManager, database: Database) -> None:
    with database.writing() as transaction:
        submit_copies(transaction, [new_task(number) for number in range(16)])
    before = kept(database)
    number = manager.cancel_tasks(Selection()).operation or 0
    for expected in [State.QUEUED, State.CANCELLED] * 2:
        result = manager.undo(number)
        assert (result.done, result.anything_left) == (16, False)
        assert set(states(database).values()) == {expected}
        assert result.operation is not None
        number = result.operation
    manager.undo(number)
    assert kept(database) == before
    assert counts_are_right(database)


def test_what_has_started_since_is_not_cancelled_again(manager: QueueManager, database: Database) -> None:
    with database.writing() as transaction:
        first, second = submit(transaction, new_task(1), new_task(2))
    undone = manager.undo(manager.cancel_tasks(Selection()).operation or 0).operation or 0
    with database.writing() as transaction:
        tasks.start(transaction, "medium_priority", 1, node=NODE, now=NOW)
    result = manager.undo(undone)
    assert (result.done, result.outcomes[Outcome.CHANGED]) == (1, 1)
    assert states(database) == {first: State.RUNNING, second: State.CANCELLED}
    assert stored(database, first)["cancel_requested"] == 0


def test_undoing_twice_does_nothing_the_second_time(manager: QueueManager, database: Database) -> None:
    task_in(database, State.QUEUED)
    number = manager.cancel_tasks(Selection()).operation or 0
    assert manager.undo(number).done == 1
    result = manager.undo(number)
    assert (result.done, result.operation, result.outcomes[Outcome.CHANGED]) == (0, None, 1)


# Scores.


@pytest.mark.usefixtures("small_groups")
@pytest.mark.parametrize("aging", [None, 30.0])
def test_scores_go_back_with_queues_and_places(
    settings: Settings, database: Database, aging: float | None
) -> None:
    manager = QueueManager(replace(settings, priority_aging=aging))
    apply_aging(database, aging)
    for number, state in enumerate(sorted(WAITING)):
        task_in(database, state, number, score=number * 4)
    with database.writing() as transaction:
        submit_copies(transaction, [new_task(number, score=number % 11) for number in range(30)])
    apply_aging(database, None)
    apply_aging(database, aging)
    before = kept(database)
    number = manager.reprioritize_tasks(Selection(), score=7).operation or 0
    assert {row["priority_score"] for row in all_rows(database, "tasks")} == {7}
    first = manager.undo(number)
    assert (first.done, first.anything_left) == (34, False)
    assert kept(database) == before
    second = manager.undo(first.operation or 0)
    assert (second.done, {row["priority_score"] for row in all_rows(database, "tasks")}) == (34, {7})
    manager.undo(second.operation or 0)
    assert kept(database) == before
    assert counts_are_right(database)
    manager.close()


def test_a_score_that_was_changed_since_stays(manager: QueueManager, database: Database) -> None:
    with database.writing() as transaction:
        one, other, ended = submit(transaction, *map(new_task, range(3)))
    number = manager.reprioritize_tasks(Selection(), score=8).operation or 0
    manager.reprioritize_task(other, score=10)
    manager.cancel_task(ended)
    assert dict(manager.undo_plan(number).outcomes) == {"done": 1, "changed": 2}
    result = manager.undo(number)
    assert (result.done, result.outcomes[Outcome.CHANGED]) == (1, 2)
    assert [row["priority_score"] for row in all_rows(database, "tasks")] == [5, 10, 8]
    assert states(database)[one] is State.QUEUED


# Batches.


def test_of_a_batch_the_tasks_are_cancelled_that_were_never_started(
    manager: QueueManager, database: Database
) -> None:
    batch = manager.submit_batch([f"https://a.test/{number}" for number in range(5)])
    number = latest()
    with database.writing() as transaction:
        tasks.start(transaction, "medium_priority", 2, node=NODE, now=NOW)
    lone = manager.submit_task("https://a.test/")
    assert dict(manager.undo_plan(number).outcomes) == {"done": 3, "changed": 2}
    result = manager.undo(number)
    assert (result.done, result.kept_as_is) == (
        3,
        [f"2 of 5 tasks of {batch} have been started, or have ended"],
    )
    assert sorted(states(database).values()) == ["cancelled"] * 3 + ["queued"] + ["running"] * 2
    assert manager.get_task(lone).state is State.QUEUED
    again = manager.undo(result.operation or 0)
    assert (again.done, again.anything_left) == (3, False)
    assert counts_are_right(database)


def test_of_an_import_the_tasks_are_cancelled_that_are_as_they_came(
    manager: QueueManager, database: Database, settings: Settings
) -> None:
    task_in(database, State.SUCCEEDED, 90)
    task_in(database, State.RETRYING, 91)
    with database.writing() as transaction:
        submit(transaction, new_task(92, run_at=NOW + 10**12), *(new_task(number) for number in range(4)))
    present = kept(database)
    manager.export_queue(None, settings.home / "tasks.json")
    receipt = manager.import_queue(settings.home / "tasks.json", on_conflict="new")
    number, first = latest(), receipt.created[0][0]
    with database.writing() as transaction:
        (work,), _ = tasks.start(
            transaction, "medium_priority", 1, node=NODE, now=NOW, only=[receipt.created[0][1]]
        )
    assert dict(manager.undo_plan(number).outcomes) == {"done": 5, "changed": 1}
    result = manager.undo(number)
    assert (result.done, result.outcomes[Outcome.CHANGED]) == (5, 1)
    assert {task: row for task, row in kept(database).items() if task < first} == present
    new = {task: state for task, state in states(database).items() if task >= first}
    assert sorted(new.values()) == ["cancelled"] * 5 + ["running", "succeeded"]
    assert new[work.id] is State.RUNNING
    assert counts_are_right(database)
    assert manager.undo(result.operation or 0).done == 5
    assert counts_are_right(database)


# Settings and schedules.


def test_limits_go_back_that_are_still_as_they_were_set(manager: QueueManager) -> None:
    manager.update_queue_config("low", {"max_size": 5, "rate_limit": "9/m"})
    manager.update_queue_config("low", {"max_size": 50, "rate_limit": "10/s", "host_gap": 1.5})
    number = latest()
    manager.update_queue_config("low", {"host_gap": 2})
    result = manager.undo(number)
    assert result.put_back == [
        "max_size of low_priority is 5 again",
        "rate_limit of low_priority is 9/m again",
    ]
    assert result.kept_as_is == ["host_gap of low_priority is 2 by now"]
    rules = manager.get_queue_config("low")
    assert (rules.max_size, str(rules.rate_limit), rules.host_gap) == (5, "9/m", 2.0)
    manager.undo(result.operation or 0)
    rules = manager.get_queue_config("low")
    assert (rules.max_size, str(rules.rate_limit), rules.host_gap) == (50, "10/s", 2.0)


def test_a_switch_goes_back_unless_somebody_was_faster(manager: QueueManager) -> None:
    manager.pause_queue("low")
    number = latest()
    result = manager.undo(number)
    assert result.put_back == ["low_priority is open again"]
    assert not manager.get_queue_config("low").paused
    assert manager.undo(number).kept_as_is == ["low_priority is open already"]
    manager.undo(result.operation or 0)
    assert manager.get_queue_config("low").paused


def test_a_removed_schedule_comes_back_with_its_past(scheduler: Scheduler, database: Database) -> None:
    name = scheduler.schedule_recurring("file://urls.txt", "0 10 * * *", only_new=True)
    scheduler.run_now(name)
    before = (scheduler.get_schedule(name), scheduler.get_ticks(name), all_rows(database, "source_urls"))
    scheduler.remove(name)
    number = latest()
    with QueueManager(scheduler.settings) as manager:
        result = manager.undo(number)
        assert result.put_back == [f"the schedule {name} is there again"]
        assert (
            scheduler.get_schedule(name),
            scheduler.get_ticks(name),
            all_rows(database, "source_urls"),
        ) == before
        again = manager.undo(result.operation or 0)
        assert again.put_back == [f"the schedule {name} is removed again; its tasks stay"]
        assert scheduler.list_schedules() == []
        manager.undo(again.operation or 0)
        assert scheduler.get_ticks(name) == before[1]


def test_what_undo_forgets_takes_nothing_from_a_later_removal_of_the_same_schedule(
    scheduler: Scheduler, database: Database
) -> None:
    name = scheduler.schedule_recurring("file://urls.txt", "0 10 * * *", only_new=True)
    scheduler.run_now(name)
    before = (scheduler.get_ticks(name), all_rows(database, "source_urls"))
    assert all(before)
    with QueueManager(scheduler.settings) as manager:
        scheduler.remove(name)
        first = latest()
        manager.undo(first)
        scheduler.remove(name)
        last = latest()
        with database.writing() as transaction:
            transaction.execute("UPDATE audit SET at = 1000 WHERE operation = %s", (first,))
        assert forget_undo(database, 2000, 100)
        with pytest.raises(RefusedError):
            manager.undo(first)
        manager.undo(last)
    assert (scheduler.get_ticks(name), all_rows(database, "source_urls")) == before


def test_a_removed_schedule_whose_name_was_taken_stays_away(scheduler: Scheduler) -> None:
    name = scheduler.schedule_recurring("file://urls.txt", "0 10 * * *")
    scheduler.remove(name)
    number = latest()
    scheduler.schedule_recurring("file://urls.txt", "0 11 * * *", name=name)
    with QueueManager(scheduler.settings) as manager:
        result = manager.undo(number)
    assert (result.put_back, result.operation) == ([], None)
    assert result.kept_as_is == [f"there is another schedule {name} by now"]
    assert [each.cron for each in scheduler.list_schedules()] == ["0 11 * * *"]


def test_switches_and_additions_of_schedules_are_undone(scheduler: Scheduler) -> None:
    with QueueManager(scheduler.settings) as manager:
        name = scheduler.schedule_recurring("file://urls.txt", "0 10 * * *")
        added = latest()
        scheduler.pause(name)
        assert manager.undo(latest()).put_back == [f"{name} is on again"]
        assert not scheduler.get_schedule(name).paused
        manager.undo(latest())
        assert scheduler.get_schedule(name).paused
        assert manager.undo(added).put_back == [f"the schedule {name} is removed again; its tasks stay"]
        assert manager.undo(added).kept_as_is == ["the schedule was removed since"]


# Retries, resurrections and plans.


RETRIED = (*KEPT, "released", "crashes", "error")


def whole(database: Database, *names: str) -> dict[int, dict[str, object]]:
    """Return some columns of every task."""
    return {row["id"]: {name: row[name] for name in names} for row in all_rows(database, "tasks")}


@pytest.mark.usefixtures("small_groups")
def test_retried_tasks_are_again_what_they_were(manager: QueueManager, database: Database) -> None:
    ended = [State.DEAD, State.CANCELLED, State.RETRYING]
    for number in range(21):
        task_in(database, ended[number % 3], number)
    before = whole(database, *RETRIED)
    letters = all_rows(database, "dead_letters")
    assert len(letters) == 7
    number = manager.retry_tasks(Selection()).operation or 0
    assert (set(states(database).values()), all_rows(database, "dead_letters")) == ({State.QUEUED}, [])
    plan = manager.undo_plan(number)
    assert (dict(plan.outcomes), plan.sample) == ({"done": 21, "changed": 0, "missing": 0}, (1, 2, 3, 4, 5))
    undone = manager.undo(number)
    assert (undone.done, undone.anything_left, undone.lasting) == (21, False, True)
    assert whole(database, *RETRIED) == before
    assert all_rows(database, "dead_letters") == letters
    assert counts_are_right(database)
    assert not manager.undo(number).anything_done, "a second time there is nothing to put back"
    with pytest.raises(RefusedError, match="cannot be undone"):
        manager.undo(undone.operation or 0)


def test_a_retried_task_that_was_dispatched_since_goes_on(manager: QueueManager, database: Database) -> None:
    dead, started_since, cancelled_since = (task_in(database, State.DEAD, number) for number in range(3))
    number = manager.retry_tasks(Selection()).operation or 0
    with database.writing() as transaction:
        tasks.cancel(transaction, [cancelled_since], NOW)
        transaction.execute("UPDATE tasks SET rank = rank - 1 WHERE id = %s", (started_since,))
        messages, _ = tasks.dispatch(transaction, "medium_priority", 1, node=NODE, now=now_ms())
    assert [message.id for message in messages] == [started_since]
    assert dict(manager.undo_plan(number).outcomes) == {"done": 1, "changed": 2, "missing": 0}
    result = manager.undo(number)
    assert (result.done, result.outcomes[Outcome.CHANGED]) == (1, 2)
    assert states(database) == {
        dead: State.DEAD,
        started_since: State.DISPATCHED,
        cancelled_since: State.CANCELLED,
    }
    assert [row["task_id"] for row in all_rows(database, "dead_letters")] == [dead]
    assert counts_are_right(database)


def test_a_task_that_is_dead_again_can_be_retried_and_undone_once_more(
    manager: QueueManager, database: Database
) -> None:
    task = task_in(database, State.DEAD)
    before = whole(database, *RETRIED)
    for _ in range(3):
        assert manager.retry_task(task).state is State.QUEUED
        assert manager.undo(latest()).done == 1
        assert whole(database, *RETRIED) == before
    assert len(all_rows(database, "dead_letters")) == 1


@pytest.mark.parametrize("many", [False, True])
def test_of_dead_letters_the_new_tasks_are_cancelled_that_were_never_started(
    manager: QueueManager, database: Database, *, many: bool
) -> None:
    dead = [task_in(database, State.DEAD, number) for number in range(3)]
    if many:
        manager.resurrect_dead_letters(DeadLetterSelection())
    else:
        manager.resurrect_from_dead_letter(1)
    number = latest()
    made = [task for task in states(database) if task not in dead]
    assert len(made) == (3 if many else 1)
    if many:
        with database.writing() as transaction:
            transaction.execute("UPDATE tasks SET rank = rank - 1 WHERE id = %s", (made[2],))
            tasks.dispatch(transaction, "medium_priority", 1, node=NODE, now=now_ms())
    result = manager.undo(number)
    assert (
        (result.done, result.outcomes[Outcome.CHANGED], result.lasting) == (2, 1, True)
        if many
        else (1, 0, True)
    )
    assert [states(database)[task] for task in made[:2]] == [State.CANCELLED] * len(made[:2])
    marks = [row["resurrected_as"] for row in all_rows(database, "dead_letters")]
    assert marks == ([None, None, made[2]] if many else [None, None, None])
    assert manager.resurrect_from_dead_letter(1) == f"task_{max(states(database))}"
    assert counts_are_right(database)


def test_a_second_resurrection_is_not_undone_so_that_no_letter_looks_untouched(
    manager: QueueManager, database: Database
) -> None:
    task_in(database, State.DEAD, 1)
    manager.resurrect_from_dead_letter(1)
    manager.resurrect_from_dead_letter(1, again=True)
    second = max(states(database))
    with pytest.raises(RefusedError, match="cannot be undone"):
        manager.undo(latest())
    (letter,) = all_rows(database, "dead_letters")
    assert letter["resurrected_as"] == second
    with pytest.raises(RefusedError, match="already"):
        manager.resurrect_from_dead_letter(1)
    assert counts_are_right(database)


def test_planned_tasks_get_their_times_back(
    manager: QueueManager, scheduler: Scheduler, database: Database
) -> None:
    with database.writing() as transaction:
        waiting, another, gone = submit(transaction, *map(new_task, range(3)))
        transaction.execute("UPDATE tasks SET due_at = %s", (now_ms() - 60_000,))
        (planned,) = submit(transaction, new_task(9, run_at=now_ms() + 10**9))
    apply_aging(database, 10.0)
    before = whole(database, *KEPT)
    start = datetime.now(UTC) + timedelta(days=1)
    window = {"start": start, "end": start + timedelta(hours=8), "max_per_hour": 1}
    scheduler.optimize_selection(Selection(), window)
    number = latest()
    given = whole(database, *KEPT)
    assert all(row["state"] == State.SCHEDULED for row in given.values())
    manager.cancel_task(gone)
    plan = manager.undo_plan(number)
    assert dict(plan.outcomes) == {"done": 3, "changed": 1, "missing": 0}
    assert sorted(plan.sample) == [waiting, another, planned]
    result = manager.undo(number)
    assert (result.done, result.outcomes[Outcome.CHANGED], result.lasting) == (3, 1, False)
    assert [(each.id, each.state) for each in result.left] == [(gone, State.CANCELLED)]
    now = whole(database, *KEPT)
    assert {task: now[task] for task in (waiting, another, planned)} == {
        task: before[task] for task in (waiting, another, planned)
    }
    assert counts_are_right(database)
    assert manager.undo(latest()).done == 3, "undoing is undone"
    now = whole(database, *KEPT)
    assert {task: now[task]["due_at"] for task in now} == {task: given[task]["due_at"] for task in given}
    assert counts_are_right(database)


def test_a_time_that_was_given_anew_since_stays(
    manager: QueueManager, scheduler: Scheduler, database: Database
) -> None:
    with database.writing() as transaction:
        submit(transaction, *map(new_task, range(2)))
    start = datetime.now(UTC) + timedelta(days=1)
    window = {"start": start, "end": start + timedelta(hours=8), "max_per_hour": 1}
    scheduler.optimize_selection(Selection(), window)
    first = latest()
    scheduler.optimize_selection(Selection(), window | {"start": start + timedelta(hours=6)})
    before = whole(database, *KEPT)
    result = manager.undo(first)
    assert (result.done, result.outcomes[Outcome.CHANGED], result.operation) == (0, 2, None)
    assert whole(database, *KEPT) == before


# What cannot be undone.


def test_what_is_not_there_or_cannot_be_undone_is_refused(manager: QueueManager, database: Database) -> None:
    with pytest.raises(NotFoundError, match="no operation 7"):
        manager.undo(7)
    task_in(database, State.DEAD)
    with database.writing() as transaction:
        transaction.execute("UPDATE dead_letters SET died_at = 0")
    assert manager.cleanup_dead_letter_queue(0) == 1
    for verb in (manager.undo, manager.undo_plan):
        with pytest.raises(RefusedError, match="cannot be undone"):
            verb(latest())
    assert manager.undoable_operations() == []


def test_what_is_old_cannot_be_undone_any_more(
    manager: QueueManager, scheduler: Scheduler, database: Database
) -> None:
    with database.writing() as transaction:
        submit_copies(transaction, [new_task(number) for number in range(9)])
    name = scheduler.schedule_recurring("file://urls.txt", "0 10 * * *")
    scheduler.run_now(name)
    number = manager.cancel_tasks(Selection(queues=("medium_priority",))).operation or 0
    scheduler.remove(name)
    assert forget_undo(database, 1, 100) == 0
    assert len(manager.undoable_operations()) == 4
    while forget_undo(database, 2**60, 4):
        pass
    assert manager.undoable_operations() == []
    for table in ("undo_tasks", "undo_rows", "ticks", "source_urls"):
        assert all_rows(database, table) == []
    with pytest.raises(RefusedError):
        manager.undo(number)


def test_nothing_is_kept_where_nothing_is_to_be_undone(settings: Settings, database: Database) -> None:
    with QueueManager(replace(settings, undo_days=0)) as manager:
        task_in(database, State.QUEUED)
        manager.cancel_tasks(Selection())
        manager.pause_queue("low")
        assert (all_rows(database, "undo_tasks"), all_rows(database, "undo_rows")) == ([], [])
        assert len(all_rows(database, "audit")) == 2


@pytest.mark.usefixtures("small_groups")
def test_an_undo_that_is_stopped_leaves_the_rest_as_it_was(manager: QueueManager, database: Database) -> None:
    with database.writing() as transaction:
        submit_copies(transaction, [new_task(number) for number in range(20)])
    number = manager.cancel_tasks(Selection()).operation or 0
    result = manager.undo(number, should_stop=lambda: True)
    assert (result.done, result.stopped) == (7, True)
    assert manager.undo(number).done == 13
    assert set(states(database).values()) == {State.QUEUED}
