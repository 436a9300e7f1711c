"""Upgrades: a database of an older queuectl with tasks in every state, and daemons of two versions side by side."""

from __future__ import annotations

import json

import pytest

from queuectl.clock import now_ms
from queuectl.errors import ExitCode, SchemaError
from queuectl.operations.administration import repair_counts
from queuectl.operations.manager import QueueManager
from queuectl.settings import load
from queuectl.store import migrate as migrations
from queuectl.store.database import Database
from queuectl.store.migrate import STEPS, migrate
from tests.support.daemon import POSTGRES, SQLITE, MakeInstallation
from tests.support.waiting import wait_until

OPEN = ("scheduled", "queued", "retrying", "dispatched", "running")
FINAL = ("succeeded", "dead", "cancelled")
EACH = 7
"""Tasks in each state."""


def old_database(url: str, steps: int, witness: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a database as an older queuectl left it when it was killed, with tasks in each state."""
    database = Database(url)
    with monkeypatch.context() as patched:
        patched.setattr(migrations, "STEPS", STEPS[:steps])
        migrate(database)
    now, number = now_ms(), 0
    with database.writing() as transaction:
        for state in (*OPEN, *FINAL):
            at_work, has_ended = state in ("dispatched", "running"), state in FINAL
            for _ in range(EACH):
                number += 1
                transaction.execute(
                    "INSERT INTO tasks (id, url, url_key, host, handler, queue, priority_score, rank, state, fence,"
                    " attempt, node, due_at, created_at, dispatched_at, started_at, finished_at, metadata) VALUES"
                    " (%s, %s, %s, 'a.test', 'work', 'medium_priority', 5, -5, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
                    (
                        number,
                        f"http://a.test/{number}",
                        number,
                        state,
                        int(at_work),
                        int(state == "running"),
                        "a-node-of-before" if at_work else None,
                        now + 500 if state in ("scheduled", "retrying") else now,
                        now,
                        now if at_work else None,
                        now if state == "running" else None,
                        now if has_ended else None,
                        json.dumps({"witness": witness}),
                    ),
                )
        if transaction.database.engine == "postgresql":
            transaction.execute("SELECT setval('tasks_id_seq', %s)", (number,))
    database.close()


@pytest.mark.parametrize("kind", [SQLITE, POSTGRES])
@pytest.mark.parametrize("steps", [1, 5, len(STEPS) - 1])
def test_tasks_in_flight_survive_the_upgrade_and_end_once(
    install: MakeInstallation,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    steps: int,
) -> None:
    site = install(
        kind, **({"database_url": request.getfixturevalue("postgres_url")} if kind == POSTGRES else {})
    )
    old_database(site.settings.database_url, steps, str(site.witness.path), monkeypatch)
    with pytest.raises(SchemaError, match=f"has schema {steps} and this queuectl needs {len(STEPS)}"):
        QueueManager(site.settings)
    site.daemon.start(ready=False)
    assert site.daemon.wait() == ExitCode.UNREACHABLE
    assert "queuectl db migrate" in site.daemon.log()

    database = Database(site.settings.database_url)
    assert migrate(database) == [name for name, _ in STEPS[steps:]]
    database.close()
    repair_counts(site.settings)  # whose counts this test did not keep
    site.daemon.start()
    site.wait_until_done()

    rows = site.rows("SELECT id, state, attempt FROM tasks ORDER BY id")
    count = len(OPEN) * EACH
    assert [state for _, state, _ in rows[:count]] == ["succeeded"] * count
    assert [attempt for _, _, attempt in rows[: count - EACH]] == [1] * (count - EACH)
    assert [attempt for _, _, attempt in rows[count - EACH : count]] == [2] * EACH, (
        "the run that died is charged"
    )
    assert [state for _, state, _ in rows[count:]] == [state for state in FINAL for _ in range(EACH)]
    assert len(site.witness.starts()) == count
    site.daemon.stop()
    assert repair_counts(site.settings) == 0, "the kept counts are right"


@pytest.mark.parametrize("kind", [SQLITE, POSTGRES])
def test_a_daemon_goes_on_beside_a_newer_schema_and_none_of_its_version_starts_on_it(
    install: MakeInstallation, request: pytest.FixtureRequest, kind: str
) -> None:
    site = install(
        kind, **({"database_url": request.getfixturevalue("postgres_url")} if kind == POSTGRES else {})
    )
    site.daemon.start()
    site.wait_for(site.submit())
    with site.manager as manager:
        # What a step of the next version may do while daemons of this one run: add a column, a table, its number.
        site.write("ALTER TABLE tasks ADD COLUMN of_the_future TEXT NOT NULL DEFAULT 'x'")
        site.write("ALTER TABLE nodes ADD COLUMN of_the_future TEXT NOT NULL DEFAULT 'x'")
        site.write("CREATE TABLE things_to_come (id INTEGER PRIMARY KEY)")
        site.write(
            "INSERT INTO migrations (number, name, applied_at, program) VALUES (%s, 'to_come', 1, '9')",
            len(STEPS) + 1,
        )
        for _ in range(20):
            manager.submit_task(
                "http://example.test/", handler="work", metadata={"witness": str(site.witness.path)}
            )
    wait_until(lambda: site.open_tasks() == [], within=30, describing="the end of the tasks")
    assert set(site.states().values()) == {"succeeded"}
    assert "tick has failed" not in site.daemon.log()
    with pytest.raises(SchemaError, match="newer than this queuectl"):
        QueueManager(load(home=site.home, environ={}).settings)
    assert site.daemon.stop() == 0
    site.daemon.start(ready=False)
    assert site.daemon.wait() == ExitCode.UNREACHABLE
    assert "upgrade queuectl to the version that last used this database" in site.daemon.log()
    database = Database(site.settings.database_url)
    with pytest.raises(SchemaError, match="newer"):
        migrate(database)
    database.close()
