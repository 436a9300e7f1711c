"""Where tasks wait, as the kept counts have it, also in the middle of the transaction that changes it."""

from __future__ import annotations

from queuectl.domain.lifecycle import State
from queuectl.domain.priority import QUEUES
from queuectl.store import counters, queues, tasks
from queuectl.store.database import Database
from tests.support.factories import NODE, NOW, task_in


def waiting(database: Database) -> set[str]:
    with database.reading() as transaction:
        return queues.seen_at_a_look(transaction, NODE).waiting


def test_only_queues_with_queued_tasks_are_named(database: Database) -> None:
    assert waiting(database) == set()
    task_in(database, State.QUEUED)
    task_in(database, State.SCHEDULED)
    assert waiting(database) == {"medium_priority"}
    with database.writing() as transaction:
        assert len(tasks.start(transaction, "medium_priority", 10, node=NODE, now=NOW)[0]) == 1
    assert waiting(database) == set()


def test_what_the_transaction_itself_sends_to_a_queue_counts_at_once(database: Database) -> None:
    task = task_in(database, State.CANCELLED)
    with database.writing() as transaction:
        assert transaction.tally.entered(State.QUEUED) == set()
        assert tasks.requeue(transaction, [task], NOW) == [task]
        assert transaction.tally.entered(State.QUEUED) == {"medium_priority"}


def test_a_look_tells_the_next_due_time_and_the_workers_that_are_wanted(database: Database) -> None:
    task_in(database, State.QUEUED)
    with database.reading() as transaction:
        seen = queues.seen_at_a_look(transaction, NODE)
    assert (seen.next_due, seen.longest_hold, seen.wanted_workers) == (None, None, None)
    assert list(seen.rules) == list(QUEUES)
    later = task_in(database, State.SCHEDULED)
    with database.writing() as transaction:
        transaction.execute("UPDATE tasks SET due_at = %s WHERE id = %s", (NOW + 5, later))
    with database.reading() as transaction:
        assert queues.seen_at_a_look(transaction, NODE).next_due == NOW + 5


def test_transactions_that_follow_each_other_change_different_rows_of_the_same_count(
    database: Database,
) -> None:
    for _ in range(3):
        task_in(database, State.QUEUED)
    with database.reading() as transaction:
        rows = transaction.rows("SELECT tasks FROM counters WHERE state = 'queued' ORDER BY shard")
        counted = counters.read(transaction)
    # What a reader with an old snapshot keeps of a row is in the way of whoever changes that row again.
    assert [tasks for (tasks,) in rows] == ([1, 1, 1] if database.engine == "postgresql" else [3])
    assert counted == {("medium_priority", State.QUEUED): 3}
