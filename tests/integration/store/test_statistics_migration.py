"""The step that begins the statistics counts what earlier tasks and attempts still tell."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from queuectl.operations.statistics import read_statistics
from queuectl.settings import Settings
from queuectl.store import migrate as migrations
from queuectl.store.database import Database
from queuectl.store.migrate import STEPS, migrate
from tests.support.factories import NOW

BEFORE = [name for name, _ in STEPS].index("0008_statistics")


@pytest.fixture
def old(empty_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """Give a database as it was before the step."""
    database = Database(empty_url)
    with monkeypatch.context() as patched:
        patched.setattr(migrations, "STEPS", STEPS[:BEFORE])
        migrate(database)
    yield database
    database.close()


def test_earlier_tasks_are_counted(old: Database, tmp_path: Path) -> None:
    with old.writing() as transaction:
        for number, state, finished in (
            (1, "dead", NOW + 5_000),
            (2, "succeeded", NOW + 6_000),
            (3, "cancelled", NOW + 7_000),
            (4, "queued", None),
        ):
            transaction.execute(
                "INSERT INTO tasks (id, url, url_key, host, handler, queue, priority_score, rank, state, due_at,"
                " created_at, finished_at, metadata) VALUES (%s, 'https://a.test/', 7, 'a.test', 'article',"
                " 'urgent_priority', 12, -12, %s, 1, %s, %s, '{}')",
                (number, state, NOW, finished),
            )
        for task, fence, outcome, move in (
            (1, 1, "failed", "retry"),
            (1, 2, "failed", "bury"),
            (2, 1, "interrupted", "release"),
            (2, 2, "succeeded", "succeed"),
        ):
            transaction.execute(
                "INSERT INTO attempts (task_id, fence, attempt, started_at, finished_at, outcome, error, move)"
                " VALUES (%s, %s, %s, %s, %s, %s, 'row 17 is locked', %s)",
                (task, fence, fence, NOW + 1_000, NOW + 5_000, outcome, move),
            )
    migrate(old)
    settings = Settings(home=tmp_path, database_url=old.url)
    found = read_statistics(old, settings, NOW, NOW + 60_000, by="host")
    counts = found.by_name()["a.test"]
    assert (counts.submitted, counts.succeeded, counts.retried, counts.dead) == (4, 1, 1, 1)
    assert (counts.cancelled, counts.released, counts.attempts) == (1, 1, 3)
    assert (counts.runs.count, counts.runs.total_ms, counts.waits.count) == (3, 12_000, 0)
    (failure,) = found.failures
    assert (failure.cause, failure.retried, failure.dead) == ("exhausted", 1, 1)
