"""Under a permanent stream of urgent tasks a background task starts within the bound that aging promises."""

from __future__ import annotations

import pytest

from tests.support.daemon import POSTGRES_REDIS, SQLITE, MakeInstallation
from tests.support.waiting import wait_until

POINT_MS = 60
"""What ``priority_aging = 0.001`` makes of a point of score."""

WORKERS = 2
WINDOW = WORKERS + 6
"""Tasks that can have been chosen before: one for each worker, and what is claimed ahead of them."""


@pytest.mark.parametrize("kind", [SQLITE, POSTGRES_REDIS])
def test_a_background_task_starts_within_its_bound(install: MakeInstallation, kind: str) -> None:
    site = install(kind, workers=WORKERS, priority_aging=POINT_MS / 60_000)
    site.daemon.start()
    high: list[int] = site.submit_many(200, options={"priority": "high"}, seconds=0.02)
    background = site.submit(options={"priority": "background"}, seconds=0.02)

    def has_started() -> bool:
        open_high = site.rows("SELECT COUNT(*) FROM tasks WHERE finished_at IS NULL AND priority_score = 8")
        if open_high[0][0] < 200:
            high.extend(site.submit_many(100, options={"priority": "high"}, seconds=0.02))
        return bool(site.task(background).started_at)

    wait_until(has_started, within=20, describing="the background task to start")
    site.wait_until_done()
    mine = site.task(background)
    assert mine.started_at is not None
    bound = mine.due_at + (8 - 1) * POINT_MS
    others = [site.task(number) for number in high]
    before = [each for each in others if (each.started_at or 0) < mine.started_at]
    after = [each for each in others if (each.started_at or 0) > mine.started_at]
    assert len([each for each in before if each.due_at > bound]) <= WINDOW
    assert any(each.due_at < mine.started_at for each in after), "the stream had dried up"
    site.check()
