"""Claimed tasks in memory: each begins once or is given back, whoever races for it."""

from __future__ import annotations

import random
import sys
import threading
from collections.abc import Callable, Iterator

import pytest

from queuectl.domain.lifecycle import Move
from queuectl.domain.priority import QUEUES
from queuectl.domain.task import Claimed
from queuectl_daemon.flights import Flights
from tests.support.factories import an_article, claimed, ending


@pytest.fixture
def flights() -> Flights:
    return Flights()


@pytest.fixture
def restless() -> Iterator[None]:
    """Let threads take turns a thousand times more often than they usually do."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(usual)


def works(count: int, **fields: object) -> list[Claimed]:
    return [claimed(id=number, fence=7, **fields) for number in range(1, count + 1)]


def run_together(targets: list[Callable[[], None]]) -> None:
    together = threading.Barrier(len(targets))

    def start(target: Callable[[], None]) -> None:
        together.wait()
        target()

    threads = [threading.Thread(target=start, args=(target,)) for target in targets]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()


def test_a_flight_begins_once(flights: Flights) -> None:
    (work,) = works(1)
    flights.add([work])
    first, second = flights.begin(1, 7), flights.begin(1, 7)
    assert first is not None
    assert first.work is work
    assert second is None
    assert flights.running() == [first]


@pytest.mark.parametrize(("task", "fence"), [(1, 6), (1, 8), (2, 7), (-1, 7)])
def test_a_stale_or_unknown_message_begins_nothing(flights: Flights, task: int, fence: int) -> None:
    flights.add(works(1))
    assert flights.begin(task, fence) is None
    assert flights.unbegun == 1
    assert flights.begin(1, 7) is not None


def test_nothing_begins_while_grounded_and_nothing_is_lost(flights: Flights) -> None:
    flights.add(works(3))
    flights.grounded = True
    assert flights.begin(1, 7) is None
    assert len(flights.drop_waiting(QUEUES)) == 3


def test_nothing_begins_after_the_trust_in_the_database_has_ended(flights: Flights) -> None:
    flights.add(works(2))
    flights.trusted_until = 0.0
    assert flights.begin(1, 7) is None
    flights.trusted_until = float("inf")
    assert flights.begin(1, 7) is not None


def test_a_flight_is_known_until_its_end_is_recorded(flights: Flights) -> None:
    (work,) = works(1)
    flights.add([work])
    flights.begin(1, 7)
    done = ending(work, Move.SUCCEED)
    assert flights.finish(done) == 1
    assert flights.running_count() == 0
    assert flights.keys() == {(1, 7)}
    taken, seconds = flights.take_ended(10)
    assert taken == [done]
    assert seconds >= 0
    flights.remove(taken)
    assert flights.keys() == set()
    assert flights.get(1, 7) is None


def test_a_later_run_of_the_same_task_is_another_flight(flights: Flights) -> None:
    # An older run of a task may still be under way when another node has given it back to this one.
    old, new = claimed(id=1, fence=7), claimed(id=1, fence=9)
    flights.add([old])
    flights.begin(1, 7)
    flights.add([new])
    assert flights.begin(1, 9) is not None
    assert flights.running_count() == 2
    flights.finish(ending(old, Move.SUCCEED))
    assert [flight.work for flight in flights.running()] == [new]
    flights.remove([ending(old, Move.SUCCEED)])
    assert flights.keys() == {(1, 9)}


def test_ends_that_could_not_be_recorded_keep_their_order(flights: Flights) -> None:
    endings = [ending(work, Move.SUCCEED) for work in works(5)]
    for each in endings:
        flights.finish(each)
    taken, _ = flights.take_ended(3)
    flights.put_back(taken)
    assert flights.unrecorded == 5
    assert flights.take_ended(10)[0] == endings


def test_one_transaction_carries_no_more_bytes_than_it_should(flights: Flights) -> None:
    large = "x" * (1024 * 1024)
    for work in works(40):
        flights.finish(ending(work, Move.SUCCEED, result=large, article=an_article(html=large)))
    counts = []
    while flights.unrecorded:
        counts.append(len(flights.take_ended(512)[0]))
    assert sum(counts) == 40
    assert max(counts) <= 16
    assert min(counts) >= 1


def test_the_first_end_can_be_replaced(flights: Flights) -> None:
    flights.replace_first(lambda each: each)
    first, second = (ending(work, Move.SUCCEED) for work in works(2))
    flights.finish(first)
    flights.finish(second)
    flights.replace_first(lambda each: each._replace(move=Move.BURY))
    assert [each.move for each in flights.take_ended(5)[0]] == [Move.BURY, Move.SUCCEED]


def test_only_the_queues_that_were_named_are_given_back(flights: Flights) -> None:
    low = claimed(id=1, queue="low_priority")
    high = claimed(id=2, queue="high_priority")
    flights.add([low, high])
    assert flights.drop_waiting(["low_priority"]) == [low]
    assert flights.waiting()["low_priority"] == 0
    assert flights.waiting()["high_priority"] == 1
    assert flights.begin(1, 1) is None
    assert flights.begin(2, 1) is not None


@pytest.mark.usefixtures("restless")
def test_of_eight_racing_threads_one_begins_each_flight(flights: Flights) -> None:
    count = 500
    flights.add(works(count))
    begun: list[int] = []

    def race() -> None:
        order = list(range(1, count + 1))
        random.shuffle(order)
        for number in order:
            if flights.begin(number, 7) is not None:
                begun.append(number)

    run_together([race] * 8)

    assert sorted(begun) == list(range(1, count + 1))
    assert flights.running_count() == count
    assert flights.waiting().total() == 0


@pytest.mark.usefixtures("restless")
def test_a_flight_is_either_begun_or_given_back(flights: Flights) -> None:
    begun: list[int] = []
    dropped: list[int] = []
    added = 0
    for turn in range(100):
        batch = [
            claimed(id=turn * 100 + number, fence=turn, queue=QUEUES[number % 5]) for number in range(20)
        ]
        flights.add(batch)
        added += len(batch)

        def begin(batch: list[Claimed] = batch) -> None:
            for work in batch:
                if flights.begin(work.id, work.fence) is not None:
                    begun.append(work.id)

        def drop() -> None:
            dropped.extend(work.id for work in flights.drop_waiting(QUEUES))

        run_together([begin, begin, drop])

    assert len(begun) + len(dropped) == added
    assert not set(begun) & set(dropped)
    assert flights.unbegun == 0
    assert flights.waiting().total() == 0
    assert flights.running_count() == len(begun)
