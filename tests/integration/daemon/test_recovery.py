"""Which nodes are taken for dead, and what becomes of the tasks that they leave behind."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from queuectl.clock import monotonic
from queuectl.domain.lifecycle import State
from queuectl.domain.retry import RetryRule
from queuectl.domain.task import Claimed
from queuectl.store import counters, nodes
from queuectl.store.database import Database, Transaction
from queuectl.store.migrate import migrate
from queuectl.store.nodes import LifeLock, NodeReport
from queuectl_daemon import recovery, rest
from queuectl_daemon.recovery import Recovery, recover
from tests.support.engines import MigratedPostgres, sqlite_url
from tests.support.factories import all_rows, new_task, stored, submit, task_in
from tests.support.waiting import wait_until

OTHER = "the-other-node"
LEASE_MS = 600_000


@pytest.fixture
def shared(emptied_postgres: str) -> Iterator[Database]:
    database = Database(emptied_postgres)
    yield database
    database.close()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recovery, "_SWEEP_SECONDS", 0.02)
    monkeypatch.setattr(recovery, "_SETTLE_SECONDS", 0.0)
    monkeypatch.setattr(recovery, "_SILENT_MS", 60_000)


def heard_of(database: Database, node: str, *, ago_ms: int = 0, lease_ms: int = LEASE_MS) -> None:
    """Let a node have been heard of a while ago."""
    with database.writing() as transaction:
        report = NodeReport(
            node, "host", 1, "0", 0, 4, 0, "in-process", 1, 0.0, "{}", "[]", "{}", "[]", "all", "{}"
        )
        nodes.save(transaction, report, lease_ms)
        transaction.execute(
            "UPDATE nodes SET heartbeat_at = heartbeat_at - %s, lease_until = lease_until - %s WHERE id = %s",
            (ago_ms, ago_ms, node),
        )


@contextlib.contextmanager
def alive(database: Database, node: str) -> Iterator[None]:
    """Hold a node's lock, as a process does that lives."""
    lock = LifeLock(database)
    assert lock.take(node)
    yield
    lock.close()


class Sweeps:
    """A recovery that runs, and a way to see that it has looked at everything a few times."""

    def __init__(self, database: Database, **options: Any) -> None:
        self.released = threading.Event()
        self.looks = 0
        self.recovery = _Counted(self, database, **options)

    def __enter__(self) -> Sweeps:
        self.recovery.boot()
        return self

    def __exit__(self, *_: object) -> None:
        self.recovery.stop()
        assert not self.recovery.is_alive()

    def look_again(self) -> None:
        seen = self.looks
        wait_until(lambda: self.looks >= seen + 4, within=30, describing="four more sweeps")


class _Counted(Recovery):
    def __init__(self, sweeps: Sweeps, database: Database, **options: Any) -> None:
        options = {"predecessor": None, "rule_for": rule_for} | options
        super().__init__(Database(database.url), "this-node", on_released=sweeps.released.set, **options)
        self._sweeps = sweeps

    def _sweep(self) -> None:
        super()._sweep()
        self._sweeps.looks += 1


def rule_for(work: Claimed) -> RetryRule:
    return RetryRule(max_retries=5, backoff=10.0, longest=10.0)


def test_a_silent_node_whose_lock_is_free_is_dead(shared: Database) -> None:
    task = task_in(shared, State.RUNNING, node=OTHER)
    heard_of(shared, OTHER, ago_ms=61_000)
    with Sweeps(shared) as sweeps:
        wait_until(sweeps.released.is_set, describing="the release")
    assert stored(shared, task)["state"] == "queued"
    assert OTHER not in {row["id"] for row in all_rows(shared, "nodes")}


def test_a_node_that_holds_its_lock_lives_however_silent_it_is(shared: Database) -> None:
    task = task_in(shared, State.RUNNING, node=OTHER)
    heard_of(shared, OTHER, ago_ms=90_000)
    with alive(shared, OTHER), Sweeps(shared) as sweeps:
        sweeps.look_again()
    assert stored(shared, task)["state"] == "running"


def test_a_node_that_was_just_heard_of_lives_although_its_lock_is_free(shared: Database) -> None:
    task = task_in(shared, State.RUNNING, node=OTHER)
    heard_of(shared, OTHER, ago_ms=2_000)
    with Sweeps(shared) as sweeps:
        sweeps.look_again()
    assert stored(shared, task)["state"] == "running"


def test_a_node_whose_lease_has_ended_is_dead_although_its_lock_seems_held(shared: Database) -> None:
    # Such as a halted process, or one behind a network that swallows everything.
    task = task_in(shared, State.RUNNING, node=OTHER)
    heard_of(shared, OTHER, ago_ms=LEASE_MS + 1_000)
    with alive(shared, OTHER), Sweeps(shared) as sweeps:
        wait_until(sweeps.released.is_set, describing="the release")
    assert stored(shared, task)["state"] == "queued"


def test_the_end_of_a_lease_is_not_waited_for_until_the_next_sweep(
    shared: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recovery, "_SWEEP_SECONDS", 600.0)
    task = task_in(shared, State.RUNNING, node=OTHER)
    heard_of(shared, OTHER, lease_ms=1_500)
    with alive(shared, OTHER), Sweeps(shared) as sweeps:
        assert stored(shared, task)["state"] == "running"
        wait_until(sweeps.released.is_set, within=30, describing="the release")
    assert stored(shared, task)["state"] == "queued"


def test_a_node_that_holds_tasks_and_is_not_listed_is_judged_by_its_lock(shared: Database) -> None:
    task = task_in(shared, State.RUNNING, node=OTHER)
    with Sweeps(shared) as sweeps:
        with alive(shared, OTHER):
            sweeps.look_again()
            held = stored(shared, task)["state"]
        wait_until(sweeps.released.is_set, describing="the release")
    # The first look may have come before the lock; then it was free, and the node dead.
    assert held in ("running", "queued")
    assert stored(shared, task)["state"] == "queued"


def test_who_holds_tasks_unlisted_is_not_asked_again_soon_when_the_answer_took_long(
    shared: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, holders = [], nodes.holders

    def asking(transaction: Transaction) -> list[str]:
        asked.append(monotonic())
        return holders(transaction)

    monkeypatch.setattr(nodes, "holders", asking)
    monkeypatch.setattr(rest, "SHARE", 10**9)
    with Sweeps(shared) as sweeps:
        sweeps.look_again()
        assert len(asked) == 1
        heard_of(shared, OTHER, ago_ms=LEASE_MS + 1)
        task = task_in(shared, State.RUNNING, node=OTHER)
        wait_until(sweeps.released.is_set, within=30, describing="the release of what a listed node held")
    assert stored(shared, task)["state"] == "queued"


def test_the_predecessor_in_this_home_is_dead_for_certain(
    shared: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recovery, "_SETTLE_SECONDS", 600.0)
    task = task_in(shared, State.RUNNING, node=OTHER)
    heard_of(shared, OTHER)
    with Sweeps(shared, predecessor=OTHER):
        assert stored(shared, task)["state"] == "queued", "released before the boot was over"


def test_nobody_is_judged_for_a_while_after_the_connection_was_lost(
    shared: Database, migrated_postgres: MigratedPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Sweeps(shared) as sweeps:
        sweeps.look_again()
        monkeypatch.setattr(recovery, "_SETTLE_SECONDS", 600.0)
        with migrated_postgres.connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        sweeps.look_again()
        # Another node that has lost its connection as well, and has not come back yet.
        task = task_in(shared, State.RUNNING, node=OTHER)
        heard_of(shared, OTHER, ago_ms=61_000)
        sweeps.look_again()
        assert stored(shared, task)["state"] == "running"
        sweeps.recovery._settled_at = monotonic()
        wait_until(sweeps.released.is_set, describing="the release when the patience has ended")
    assert stored(shared, task)["state"] == "queued"


def test_a_node_whose_lock_another_one_tests_goes_on(shared: Database) -> None:
    with alive(shared, "this-node"), Sweeps(shared) as sweeps:
        sweeps.look_again()
        assert sweeps.recovery.is_alive()
    assert sweeps.recovery.failure is None


def test_beside_a_database_file_every_other_node_is_dead(home: Path) -> None:
    database = Database(sqlite_url(home))
    migrate(database)
    task = task_in(database, State.RUNNING, node=OTHER)
    heard_of(database, OTHER)
    with Sweeps(database):
        assert stored(database, task)["state"] == "queued"
    assert all_rows(database, "nodes") == []
    database.close()


def test_what_is_left_behind_is_given_back_or_buried(database: Database) -> None:
    running = task_in(database, State.RUNNING, 1, node=OTHER)
    dispatched = task_in(database, State.DISPATCHED, 2, node=OTHER)
    of_another = task_in(database, State.RUNNING, 3, node="a-third-one")
    unwanted = task_in(database, State.RUNNING, 4, node=OTHER)
    poison = task_in(database, State.RUNNING, 5, node=OTHER)
    exhausted = task_in(database, State.RUNNING, 6, node=OTHER)
    with database.writing() as transaction:
        transaction.execute("UPDATE tasks SET cancel_requested = 1 WHERE id = %s", (unwanted,))
        transaction.execute("UPDATE tasks SET crashes = 2 WHERE id = %s", (poison,))
        transaction.execute("UPDATE tasks SET attempt = 6 WHERE id = %s", (exhausted,))
    fences = {row["id"]: row["fence"] for row in all_rows(database, "tasks")}
    heard_of(database, OTHER)

    assert recover(database, OTHER, rule_for) == 5

    rows = {row["id"]: row for row in all_rows(database, "tasks")}
    assert {number: row["state"] for number, row in rows.items()} == {
        running: "queued",
        dispatched: "queued",
        of_another: "running",
        unwanted: "cancelled",
        poison: "dead",
        exhausted: "dead",
    }
    facts = {number: (row["attempt"], row["released"], row["crashes"]) for number, row in rows.items()}
    assert facts[running] == (1, 0, 1), "the run is charged"
    assert facts[dispatched] == (0, 0, 0), "a message is not"
    assert rows[running]["fence"] == fences[running] + 1
    assert rows[dispatched]["fence"] == fences[dispatched] + 1
    assert {row["task_id"]: row["outcome"] for row in all_rows(database, "attempts")} == {
        running: "crashed",
        unwanted: "cancelled",
        poison: "crashed",
        exhausted: "crashed",
    }
    assert {row["task_id"]: row["cause"] for row in all_rows(database, "dead_letters")} == {
        poison: "crashed",
        exhausted: "crashed",
    }
    assert all_rows(database, "nodes") == []
    _assert_counts(database)


@pytest.fixture
def few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recovery, "_GROUP", 7)


@pytest.mark.usefixtures("few_at_a_time")
def test_many_tasks_are_given_back_in_groups(database: Database) -> None:
    numbers = [task_in(database, State.RUNNING, number, node=OTHER) for number in range(40)]
    with database.writing() as transaction:
        submit(transaction, new_task(100))
    assert recover(database, OTHER, rule_for) == len(numbers)
    assert {row["state"] for row in all_rows(database, "tasks")} == {"queued"}
    assert len(all_rows(database, "attempts")) == len(numbers)
    _assert_counts(database)


@pytest.mark.usefixtures("few_at_a_time")
def test_several_nodes_may_recover_the_same_one(database: Database) -> None:
    numbers = [task_in(database, State.RUNNING, number, node=OTHER) for number in range(40)]
    released: list[int] = []
    together = threading.Barrier(3)

    def survivor() -> None:
        own = Database(database.url)
        together.wait()
        released.append(recover(own, OTHER, rule_for))
        own.close()

    run_together([survivor] * 3)

    assert sum(released) == len(numbers)
    assert len(all_rows(database, "attempts")) == len(numbers)
    assert {(row["state"], row["crashes"]) for row in all_rows(database, "tasks")} == {("queued", 1)}
    _assert_counts(database)


def run_together(targets: list[Callable[[], None]]) -> None:
    threads = [threading.Thread(target=target) for target in targets]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)


def _assert_counts(database: Database) -> None:
    with database.reading() as transaction:
        assert counters.read(transaction) == counters.count_rows(transaction)
