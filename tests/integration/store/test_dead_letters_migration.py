"""The step that gives dead letters, batches and nodes more columns fills them for what was there before."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from queuectl.domain.dead_letter import error_shape, failure_key
from queuectl.store import migrate as migrations
from queuectl.store.database import Database
from queuectl.store.migrate import STEPS, migrate
from tests.support.factories import all_rows

BEFORE = [name for name, _ in STEPS].index("0004_dead_letters")


@pytest.fixture
def old(empty_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """Give a database as it was before the step."""
    database = Database(empty_url)
    with monkeypatch.context() as patched:
        patched.setattr(migrations, "STEPS", STEPS[:BEFORE])
        migrate(database)
    yield database
    database.close()


def test_old_letters_and_batches_are_filled(old: Database) -> None:
    with old.writing() as transaction:
        for number, state, batch in (
            (1, "dead", 1),
            (2, "succeeded", 1),
            (3, "succeeded", 1),
            (4, "dead", None),
        ):
            transaction.execute(
                "INSERT INTO tasks (id, url, url_key, host, handler, queue, priority_score, rank, state, due_at,"
                " created_at, finished_at, batch_id, max_retries, metadata) VALUES (%s, 'https://a.test/', 7, 'a.test',"
                " 'article', 'urgent_priority', 12, -12, %s, 1, 1, %s, %s, 2, %s)",
                (number, state, 100 + number, batch, '{"n": 1}'),
            )
        for number, error in ((1, "row 17 is locked"), (4, None), (9, "its task is gone")):
            transaction.execute(
                "INSERT INTO dead_letters (task_id, queue, url, handler, cause, error, attempts, died_at)"
                " VALUES (%s, 'urgent_priority', 'https://a.test/', 'article', 'exhausted', %s, 3, 5)",
                (number, error),
            )
    migrate(old)
    first, second, orphan = all_rows(old, "dead_letters")
    assert (first["host"], first["batch_id"], first["priority_score"]) == ("a.test", 1, 12)
    assert (first["max_retries"], first["metadata"], first["resurrected_as"]) == (2, '{"n": 1}', None)
    assert first["shape"] == error_shape("row 17 is locked")
    assert first["failure"] == failure_key("exhausted", first["shape"])
    assert (second["batch_id"], second["shape"]) == (None, "")
    assert (orphan["host"], orphan["shape"]) == ("", "its task is gone")
    counts = {
        row["state"]: (row["tasks"], row["first_at"], row["last_at"])
        for row in all_rows(old, "batch_counters")
    }
    assert counts == {"dead": (1, 101, 101), "succeeded": (2, 102, 103)}


def test_more_letters_than_one_group_are_all_named(old: Database) -> None:
    with old.writing() as transaction:
        for number in range(1, 2_502):
            transaction.execute(
                "INSERT INTO dead_letters (task_id, queue, url, handler, cause, error, attempts, died_at)"
                " VALUES (%s, 'low_priority', 'https://a.test/', 'article', 'refused', 'no', 1, 5)",
                (number,),
            )
    migrate(old)
    with old.reading() as transaction:
        assert transaction.rows(
            "SELECT COUNT(*), COUNT(DISTINCT failure) FROM dead_letters WHERE shape = 'no'"
        ) == [(2_501, 1)]
