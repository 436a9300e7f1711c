"""The daemon removes old dead letters and finished tasks by itself, while it works, and in small groups."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from queuectl.clock import now_ms
from queuectl.domain.lifecycle import State
from queuectl.operations.administration import database_check
from queuectl.operations.upkeep import remove_aged
from queuectl.settings import Settings
from queuectl.store.database import Database
from queuectl.store.history import note_change
from queuectl_daemon import retention
from queuectl_daemon.retention import LONGEST_SECONDS, SMALLEST, Retention, next_size
from tests.support.daemon import POSTGRES, SQLITE, MakeInstallation
from tests.support.factories import all_rows, states, stored, task_in
from tests.support.load import Load
from tests.support.waiting import wait_until

DAY = 86_400_000


def died_days_ago(database: Database, *days: float) -> list[int]:
    """Return tasks that died so many days ago, each with its dead letter."""
    tasks = [task_in(database, State.DEAD, number) for number in range(len(days))]
    with database.writing() as transaction:
        for task, each in zip(tasks, days, strict=True):
            moment = now_ms() - round(each * DAY)
            transaction.execute("UPDATE dead_letters SET died_at = %s WHERE task_id = %s", (moment, task))
            transaction.execute("UPDATE tasks SET finished_at = %s WHERE id = %s", (moment, task))
    return tasks


def retention_of(database: Database, *, days: float, dead_letter_days: float, undo_days: float) -> Retention:
    settings = Settings(
        home=Path("unused"),
        database_url=database.url,
        retention_days=days,
        dead_letter_days=dead_letter_days,
        undo_days=undo_days,
    )
    return Retention(database, settings)


def lettered(database: Database) -> list[int]:
    return sorted(row["task_id"] for row in all_rows(database, "dead_letters"))


@pytest.mark.parametrize("kind", [SQLITE, POSTGRES])
def test_a_daemon_removes_what_is_old_while_it_works(install: MakeInstallation, kind: str) -> None:
    site = install(kind, retention_days=10)
    old = site.submit_many(300)
    dead, fresh = site.submit("refuse"), site.submit()
    site.daemon.start()
    site.wait_until_done()
    site.daemon.stop()
    site.write("UPDATE tasks SET finished_at = 1000 + id WHERE id <= %s", dead)
    site.daemon.start()
    with Load(site):
        wait_until(
            lambda: site.rows("SELECT COUNT(*) FROM tasks WHERE id < %s", dead) == [(0,)],
            describing="the removal of old tasks",
        )
    site.wait_until_done()
    states = site.states()
    assert states[dead] == "dead", "it stays as long as its dead letter"
    assert fresh in states
    assert site.rows("SELECT COUNT(*) FROM attempts WHERE task_id < %s", dead) == [(0,)]
    assert all(check.ok for check in database_check(site.settings))
    wait_until(
        lambda: f"removed {len(old)} tasks that ended more than 10 days ago" in site.daemon.log(),
        describing="the daemon to say so",
    )


@pytest.mark.parametrize("kind", [SQLITE, POSTGRES])
def test_old_dead_letters_go_and_their_tasks_stay(install: MakeInstallation, kind: str) -> None:
    home = install(kind, dead_letter_days=2)
    with home.manager:
        database = Database(home.settings.database_url)
    old, young = died_days_ago(database, 3, 1)
    home.daemon.start()
    wait_until(
        lambda: lettered(database) == [young], within=20, describing="the old dead letter to be removed"
    )
    assert stored(database, old)["state"] == "dead"
    wait_until(
        lambda: "removed 1 dead letters older than 2 days" in home.daemon.log(),
        within=20,
        describing="the daemon to say so",
    )
    database.close()


def test_a_daemon_that_is_to_keep_everything_removes_nothing(install: MakeInstallation) -> None:
    site = install(SQLITE, retention_days=0, dead_letter_days=0)
    with site.manager:
        database = Database(site.settings.database_url)
    (dead,) = died_days_ago(database, 4_000)
    site.daemon.start()
    site.wait_for(site.submit())
    assert site.daemon.stop() == 0
    assert lettered(database) == [dead]
    assert len(states(database)) == 2
    database.close()


def test_a_dead_task_goes_when_its_letter_has_gone(database: Database) -> None:
    old, younger, _ = died_days_ago(database, 40, 15, 5)
    retention_of(database, days=10, dead_letter_days=0, undo_days=7).sweep()
    assert len(states(database)) == 3, "letters that are kept for ever keep their tasks"
    retention_of(database, days=30, dead_letter_days=20, undo_days=7).sweep()
    assert old not in states(database)
    assert younger in lettered(database)
    retention_of(database, days=10, dead_letter_days=10, undo_days=7).sweep()
    assert len(states(database)) == len(lettered(database)) == 1


def test_letters_that_need_several_groups_all_go_in_one_sweep(database: Database) -> None:
    died_days_ago(database, *[9] * (SMALLEST + 3), 1)
    retention_of(database, days=0, dead_letter_days=5, undo_days=7).sweep()
    assert len(lettered(database)) == 1


def test_what_undo_needs_goes_with_its_own_age(database: Database) -> None:
    with database.writing() as transaction:
        transaction.execute("INSERT INTO undo_rows (operation, content) VALUES (1, '{}'), (2, '{}')")
        for number, days in ((1, 9), (2, 3)):
            transaction.execute(
                "INSERT INTO audit (number, operation, at, who, host, verb, target, things, key, hash, seal)"
                " VALUES (%s, %s, %s, '', '', '', '', 1, '', '', '')",
                (number, number, now_ms() - days * 86_400_000),
            )
    retention_of(database, days=0, dead_letter_days=0, undo_days=7).sweep()
    assert [row["operation"] for row in all_rows(database, "undo_rows")] == [2]
    assert len(all_rows(database, "audit")) == 2


def test_what_has_its_own_age_goes_in_groups_as_well(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    groups: list[int] = []

    def counted(database: Database, before: int, size: int) -> tuple[Counter[str], bool]:
        rows, more = remove_aged(database, before, size)
        groups.append(rows["changes"])
        if len(groups) == 1:
            sweeper.stop()
        return rows, more

    monkeypatch.setattr(retention, "remove_aged", counted)
    with database.writing() as transaction:
        for number in range(SMALLEST + 30):
            note_change(transaction, "cancel", [number])
        transaction.execute("UPDATE changes SET at = 1000")
    sweeper = retention_of(database, days=1, dead_letter_days=0, undo_days=7)
    sweeper.sweep()
    assert groups == [SMALLEST]
    assert len(all_rows(database, "changes")) == 30
    retention_of(database, days=1, dead_letter_days=0, undo_days=7).sweep()
    assert all_rows(database, "changes") == []


def test_nothing_is_removed_after_the_stop(database: Database) -> None:
    died_days_ago(database, 9)
    sweeper = retention_of(database, days=1, dead_letter_days=1, undo_days=7)
    sweeper.stop()
    sweeper.sweep()
    assert len(lettered(database)) == len(states(database)) == 1


def test_a_group_that_takes_long_is_followed_by_a_smaller_one() -> None:
    size = 1_000
    for _ in range(20):
        size = next_size(size, LONGEST_SECONDS * 2)
    assert size == SMALLEST
    assert next_size(size, LONGEST_SECONDS / 10) == 2 * SMALLEST
    assert next_size(1_000, 0.0001) == 1_000
