"""What is kept of hosts, and that tasks of hosts that are left alone are passed over."""

from __future__ import annotations

from queuectl.domain.lifecycle import State
from queuectl.store import hosts, ready, tasks
from queuectl.store.database import Database
from queuectl.store.hosts import HostNote
from tests.support.factories import NODE, NOW, all_rows, counts_are_right, new_task, states, submit, task_in

QUEUE = "medium_priority"


def test_of_two_moments_the_later_one_stays(database: Database) -> None:
    with database.writing() as transaction:
        hosts.note(transaction, {"a.test": HostNote(NOW, NOW + 5, "why"), "b.test": HostNote(NOW)})
        hosts.note(
            transaction, {"a.test": HostNote(NOW - 9, NOW + 1, "less"), "b.test": HostNote(None, NOW, "b")}
        )
        hosts.note(transaction, {"a.test": HostNote(NOW + 1), "b.test": HostNote(NOW + 2)})
    rows = {row.pop("host"): row for row in all_rows(database, "hosts")}
    assert rows["a.test"] == {"last_start_at": NOW + 1, "held_until": NOW + 5, "held_reason": "why"}
    assert rows["b.test"] == {"last_start_at": NOW + 2, "held_until": NOW, "held_reason": "b"}


def test_a_hold_ends_by_itself_and_what_is_over_is_forgotten(database: Database) -> None:
    with database.writing() as transaction:
        hosts.note(
            transaction, {"a.test": HostNote(held_until=NOW + 5), "b.test": HostNote(last_start_at=NOW)}
        )
        assert hosts.held(transaction, NOW) == {"a.test": NOW + 5}
        assert hosts.held(transaction, NOW + 5) == {}
        assert hosts.prune(transaction, NOW, 10) == 0
        assert hosts.prune(transaction, NOW + 1, 10) == 1
        assert hosts.prune(transaction, NOW + 6, 10) == 1


def test_what_runs_of_a_host_counts_over_all_queues_and_nodes(database: Database) -> None:
    task_in(database, State.RUNNING, 1, url="http://a.test/1")
    task_in(database, State.RUNNING, 2, url="http://a.test/2", score=8, node="other")
    task_in(database, State.DISPATCHED, 3, url="http://a.test/3")
    task_in(database, State.RUNNING, 4, url="http://b.test/4")
    with database.reading() as transaction:
        running = hosts.running(transaction)
        assert running == {"a.test": 2, "b.test": 1}
        assert hosts.uses(transaction, ["a.test", "c.test"], running)["a.test"].running == 2


def test_candidates_come_in_order_without_the_hosts_that_are_left_alone(database: Database) -> None:
    with database.writing() as transaction:
        numbers = submit(
            transaction,
            *(new_task(number, url=f"http://{host}.test/") for number, host in enumerate("ababcb")),
        )
        found = ready.candidates(transaction, QUEUE, 10, after=tasks.START, without=["b.test"])
        assert [each.id for each in found] == [numbers[0], numbers[2], numbers[4]]
        after = ready.candidates(transaction, QUEUE, 10, after=found[0].place, without=["b.test", 'x"{\\'])
        assert [each.id for each in after] == [numbers[2], numbers[4]]
        begun, _ = tasks.start(transaction, QUEUE, 9, node=NODE, now=NOW, only=[numbers[4], numbers[1], 999])
        assert [work.id for work in begun] == [numbers[1], numbers[4]]
        assert [work.host for work in begun] == ["b.test", "c.test"]
        sent, _ = tasks.dispatch(transaction, QUEUE, 9, node=NODE, now=NOW, only=[numbers[0], numbers[1]])
        assert [message.id for message in sent] == [numbers[0]]
    assert counts_are_right(database)


def test_a_message_that_must_not_start_now_goes_back(database: Database) -> None:
    held = task_in(database, State.DISPATCHED, 1, url="http://held.test/")
    limited = task_in(database, State.DISPATCHED, 2, score=8, url="http://free.test/")
    good = task_in(database, State.DISPATCHED, 3, score=3, url="http://free.test/")
    messages = [(held, 1), (limited, 1), (good, 1), (good, 7)]
    with database.writing() as transaction:
        begun = tasks.claim(
            transaction, messages, node=NODE, now=NOW, held=["held.test"], limited=["high_priority"]
        )
    assert [work.id for work in begun] == [good]
    assert states(database) == {held: State.QUEUED, limited: State.QUEUED, good: State.RUNNING}
    assert {row["fence"] for row in all_rows(database, "tasks") if row["id"] != good} == {2}
    assert counts_are_right(database)
