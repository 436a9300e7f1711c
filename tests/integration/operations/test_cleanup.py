"""Finished tasks are removed by their age with all that belongs to them, in groups, and nothing else is."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from queuectl.clock import now_ms
from queuectl.domain.lifecycle import FINAL, Move, State
from queuectl.errors import InvalidInputError
from queuectl.operations import upkeep as operations
from queuectl.operations.administration import database_check
from queuectl.operations.manager import QueueManager
from queuectl.settings import Settings
from queuectl.store import articles, tasks, upkeep
from queuectl.store.database import Database
from queuectl.store.schema import TABLES
from tests.support.factories import (
    all_rows,
    an_article,
    counts_are_right,
    ending,
    finish,
    new_task,
    started,
    states,
    submit,
    submit_copies,
    task_in,
)

DAY = 86_400_000


def aged(database: Database, task: int, days: float) -> None:
    """Let a task have ended so many days ago."""
    with database.writing() as transaction:
        moment = now_ms() - round(days * DAY)
        transaction.execute("UPDATE tasks SET finished_at = %s WHERE id = %s", (moment, task))


def ended(database: Database, state: State, number: int, *, days: float) -> int:
    """Return a task that ended in a state so many days ago."""
    task = task_in(database, state, number)
    aged(database, task, days)
    return task


def with_article(database: Database, number: int, *, days: float, **fields: str) -> int:
    """Return a task that succeeded with an article so many days ago."""
    with database.writing() as transaction:
        row = new_task(number)
        (task,) = submit(transaction, row)
        work = started(transaction, task, row.queue)
        held = finish(transaction, [ending(work, Move.SUCCEED, article=an_article(**fields))])
        articles.save(transaction, held)
    aged(database, task, days)
    return task


def rows_of(database: Database, table: str) -> set[int]:
    return {row["task_id"] for row in all_rows(database, table)}


def test_every_table_has_its_place() -> None:
    aged = [name for each in upkeep.AGED for name in (each.table, *(table for table, _ in each.along))]
    listed = ["tasks", *upkeep.GOES_WITH_TASK, *upkeep.STAYS, *aged]
    assert sorted(listed) == sorted(table._meta.table_name for table in TABLES)


def test_old_finished_tasks_go_with_all_that_is_theirs(database: Database, settings: Settings) -> None:
    kept = [ended(database, state, place, days=1) for place, state in enumerate(FINAL, 1)]
    waiting = task_in(database, State.SCHEDULED, 10)
    kept_article = with_article(database, 11, days=1)
    old = [ended(database, state, place, days=40) for place, state in enumerate(FINAL, 20)]
    old.append(with_article(database, 30, days=40))

    report = QueueManager(settings).cleanup(days=30)

    left = {*kept, waiting, kept_article}
    assert report.tasks == len(old)
    assert set(states(database)) == left
    assert rows_of(database, "task_urls") == left
    assert rows_of(database, "attempts") <= left
    assert rows_of(database, "articles") == {kept_article}
    assert rows_of(database, "dead_letters") <= left
    assert {"attempts", "dead_letters", "articles", "task_urls"} <= {
        name for name, n in report.rows.items() if n
    }
    assert counts_are_right(database)
    assert QueueManager(settings).cleanup(days=30).tasks == 0


def test_a_dry_run_says_what_would_go_and_changes_nothing(database: Database, settings: Settings) -> None:
    ended(database, State.DEAD, 1, days=40)
    with_article(database, 2, days=40)
    ended(database, State.SUCCEEDED, 3, days=1)
    before = {name: all_rows(database, name) for name in ("tasks", "attempts", "counters", "articles")}
    manager = QueueManager(settings)

    foretold = manager.cleanup(days=30, dry_run=True)

    assert {name: all_rows(database, name) for name in before} == before
    assert +foretold.rows == +manager.cleanup(days=30).rows


def test_a_task_that_waits_is_never_too_old(database: Database, settings: Settings) -> None:
    waiting = [
        task_in(database, state, number, created_at=1, due_at=1)
        for number, state in enumerate((State.RUNNING, State.RETRYING, State.QUEUED))
    ]
    assert QueueManager(settings).cleanup(days=0).tasks == 0
    assert sorted(states(database)) == waiting


def test_a_batch_and_its_counts_go_with_the_last_of_its_tasks(database: Database, settings: Settings) -> None:
    with database.writing() as transaction:
        batches = [submit_copies(transaction, [new_task(1), new_task(2)]) for _ in range(2)]
        tasks.cancel(transaction, [1, 3, 4], 1)
        transaction.execute("UPDATE batches SET created_at = 1")
    removed = QueueManager(settings).cleanup(days=1).rows
    assert [row["id"] for row in all_rows(database, "batches")] == batches[:1]
    assert [(row["batch_id"], row["tasks"]) for row in all_rows(database, "batch_counters")] == [
        (batches[0], 1)
    ]
    assert (removed["tasks"], removed["batches"], removed["batch_counters"]) == (3, 1, 1)
    assert all(check.ok for check in database_check(settings))


def test_the_groups_cover_every_task_whatever_their_size(
    database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with database.writing() as transaction:
        submit_copies(transaction, [new_task(number) for number in range(50)])
        transaction.execute("UPDATE tasks SET state = 'cancelled', finished_at = 5 + id / 20 WHERE id <= 45")
        transaction.tally.move("medium_priority", State.QUEUED, State.CANCELLED, 45)
    monkeypatch.setattr(operations, "_GROUP", 7)
    seen: list[int] = []
    report = QueueManager(settings).cleanup(days=1, on_progress=seen.append)
    assert report.tasks == 45
    assert seen[:3] == [7, 14, 21]
    assert counts_are_right(database)


def test_whoever_asks_for_an_early_end_keeps_the_rest(
    database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        ended(database, State.CANCELLED, number, days=9)
    monkeypatch.setattr(operations, "_GROUP", 1)
    report = QueueManager(settings).cleanup(days=1, should_stop=lambda: True)
    assert (report.tasks, report.stopped, len(states(database))) == (1, True, 2)


def test_a_task_that_was_sent_back_meanwhile_stays(database: Database, settings: Settings) -> None:
    task = ended(database, State.DEAD, 1, days=40)
    with database.reading() as transaction:
        found = upkeep.finished(transaction, now_ms(), 10)
    QueueManager(settings).retry_task(task)
    with database.writing() as transaction:
        removed = upkeep.remove(transaction, [number for _, number in found], now_ms(), keep_lettered=False)
    assert not removed.rows
    assert states(database) == {task: State.QUEUED}


def test_a_dead_task_may_be_kept_as_long_as_its_letter(database: Database) -> None:
    dead, cancelled = (
        ended(database, state, number, days=2) for number, state in enumerate((State.DEAD, State.CANCELLED))
    )
    now = now_ms()
    with database.writing() as transaction:
        upkeep.remove(transaction, [dead, cancelled], now, keep_lettered=True)
    assert set(states(database)) == {dead}
    with database.writing() as transaction:
        transaction.execute("DELETE FROM dead_letters")
        upkeep.remove(transaction, [dead], now, keep_lettered=True)
    assert states(database) == {}
    assert counts_are_right(database)


def test_published_files_stay_unless_told_otherwise(database: Database, settings: Settings) -> None:
    root = settings.home / "articles"
    files = [root / "2026" / "01" / name for name in ("a.md", "a.html", "b.md", "b.html")]
    files[0].parent.mkdir(parents=True)
    for file in files:
        file.write_text("text")
    for number, name in enumerate("ab"):
        days = 50 - 20 * number
        with_article(
            database, number, days=days, markdown_path=f"2026/01/{name}.md", html_path=f"2026/01/{name}.html"
        )
    manager = QueueManager(settings)
    assert manager.cleanup(days=40).files == 0
    assert all(file.exists() for file in files)
    assert manager.cleanup(days=20, articles=True).files == 2
    assert [file.exists() for file in files] == [True, True, False, False]


def test_no_path_leads_to_a_file_elsewhere(home: Path) -> None:
    root, outside = home / "articles", home / "outside"
    root.mkdir()
    outside.mkdir()
    treasure = outside / "treasure.md"
    treasure.write_text("mine")
    (root / "link").symlink_to(outside)
    paths = ["../outside/treasure.md", "link/treasure.md", str(treasure), "x/../../outside/treasure.md"]
    report = operations.CleanupReport(0)
    operations.remove_files(root, paths, report)
    assert (report.files, report.failures) == (0, 0)
    assert treasure.exists()


@pytest.mark.parametrize("days", [-1, math.nan, math.inf, "30", None, True, 40_000])
def test_what_is_no_number_of_days_is_refused(database: Database, settings: Settings, days: object) -> None:
    with pytest.raises(InvalidInputError, match="number of days"):
        QueueManager(settings).cleanup(days=days)  # type: ignore[arg-type]
