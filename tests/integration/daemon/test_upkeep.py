"""What a running daemon removes by itself: dead letters past their age, and never any where they are to be kept."""

from __future__ import annotations

import pytest

from queuectl.clock import now_ms
from queuectl.domain.lifecycle import State
from queuectl.store.database import Database
from queuectl_daemon.upkeep import purge_dead_letters
from tests.support.daemon import POSTGRES, SQLITE, MakeInstallation
from tests.support.factories import all_rows, stored, task_in
from tests.support.waiting import wait_until

DAY = 86_400_000


def died_days_ago(database: Database, *days: float) -> None:
    for number, each in enumerate(days):
        task = task_in(database, State.DEAD, number)
        with database.writing() as transaction:
            transaction.execute(
                "UPDATE dead_letters SET died_at = %s WHERE task_id = %s",
                (now_ms() - round(each * DAY), task),
            )


@pytest.mark.parametrize("kind", [SQLITE, POSTGRES])
def test_old_dead_letters_go_and_their_tasks_stay(install: MakeInstallation, kind: str) -> None:
    home = install(kind, dead_letter_days=2)
    with home.manager:
        database = Database(home.settings.database_url)
    died_days_ago(database, 3, 1)
    home.daemon.start()
    wait_until(
        lambda: [row["task_id"] for row in all_rows(database, "dead_letters")] == [2],
        within=20,
        describing="the old dead letter to be removed",
    )
    assert stored(database, 1)["state"] == "dead"
    assert "removed 1 dead letters older than 2 days" in home.daemon.log()
    database.close()


def test_with_zero_days_all_are_kept(install: MakeInstallation) -> None:
    home = install(SQLITE, dead_letter_days=0)
    with home.manager:
        database = Database(home.settings.database_url)
    died_days_ago(database, 4_000)
    home.daemon.start()
    assert home.daemon.stop() == 0
    assert len(all_rows(database, "dead_letters")) == 1
    database.close()


def test_one_call_removes_a_bounded_number(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    died_days_ago(database, *[9] * 7)
    monkeypatch.setattr("queuectl_daemon.upkeep._GROUP", 2)
    monkeypatch.setattr("queuectl_daemon.upkeep._MOST_GROUPS", 2)
    assert [purge_dead_letters(database, 5) for _ in range(3)] == [4, 3, 0]
