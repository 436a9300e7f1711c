"""The daemon removes old finished tasks by itself, while it works, and in small groups."""

from __future__ import annotations

import pytest

from queuectl.operations.administration import database_check
from queuectl_daemon.retention import LONGEST_SECONDS, SMALLEST, next_size
from tests.support.daemon import POSTGRES, SQLITE, MakeInstallation
from tests.support.load import Load
from tests.support.waiting import wait_until


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
    assert f"removed {len(old)} tasks that ended more than 10 days ago" in site.daemon.log()


def test_a_daemon_that_is_to_keep_everything_removes_nothing(install: MakeInstallation) -> None:
    site = install(SQLITE, retention_days=0)
    site.submit()
    site.daemon.start()
    site.wait_until_done()
    site.daemon.stop()
    site.write("UPDATE tasks SET finished_at = 1000")
    site.daemon.start()
    site.wait_for(site.submit())
    assert len(site.states()) == 2


def test_a_group_that_takes_long_is_followed_by_a_smaller_one() -> None:
    size = 1_000
    for _ in range(20):
        size = next_size(size, LONGEST_SECONDS * 2)
    assert size == SMALLEST
    assert next_size(size, LONGEST_SECONDS / 10) == 2 * SMALLEST
    assert next_size(1_000, 0.0001) == 1_000
