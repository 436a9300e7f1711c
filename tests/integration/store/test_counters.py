"""Where tasks wait, as the kept counts have it, also in the middle of the transaction that changes it."""

from __future__ import annotations

from queuectl.domain.lifecycle import State
from queuectl.store import counters, tasks
from queuectl.store.database import Database
from tests.support.factories import NODE, NOW, task_in


def waiting(database: Database) -> set[str]:
    with database.reading() as transaction:
        return counters.queued(transaction)


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
        assert counters.queued(transaction) == set()
        assert tasks.requeue(transaction, [task], NOW) == [task]
        assert counters.queued(transaction) == {"medium_priority"}
