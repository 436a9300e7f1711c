"""The threads of Dramatiq: one more than are at work, and never more than there may be."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from queuectl_daemon import crew as crews
from queuectl_daemon.broker import ClaimedBroker
from queuectl_daemon.crew import READY, Crew
from tests.support.waiting import wait_until


@pytest.fixture
def crew(monkeypatch: pytest.MonkeyPatch) -> Iterator[Crew]:
    monkeypatch.setattr(crews, "READY", 1)
    made = Crew(ClaimedBroker([]), most=4, worker_timeout=10)
    made.start()
    yield made
    made.stop(timeout=2000)


@pytest.mark.parametrize(("most", "ready"), [(1, 1), (READY, READY), (100, READY)])
def test_some_threads_are_ready_and_no_more_than_may_be(most: int, ready: int) -> None:
    crew = Crew(ClaimedBroker([]), most=most, worker_timeout=10)
    crew.start()
    assert len(crew.workers) == ready
    crew.stop(timeout=2000)


def test_a_free_thread_is_there_while_others_are_at_work(crew: Crew) -> None:
    sizes = [len(crew.workers)]
    for _ in range(5):
        crew.occupy()
        sizes.append(len(crew.workers))
    assert sizes == [1, 2, 3, 4, 4, 4]
    for _ in range(5):
        crew.vacate()
    assert len(crew.workers) == 4


def test_work_that_does_not_stay_brings_up_no_thread(crew: Crew) -> None:
    for _ in range(100):
        crew.occupy()
        crew.vacate()
    assert len(crew.workers) == 2


def test_no_more_runs_go_on_than_there_may_be(crew: Crew) -> None:
    admitted: list[bool] = []
    assert [crew.admit() for _ in range(4)] == [True] * 4
    waiting = threading.Thread(target=lambda: admitted.append(crew.admit()), daemon=True)
    waiting.start()
    waiting.join(0.05)
    assert admitted == []
    crew.leave()
    waiting.join(30)
    assert admitted == [True]


def test_a_larger_crew_lets_in_who_waits_and_one_that_stops_sends_everybody_away(crew: Crew) -> None:
    admitted: list[bool] = []
    for _ in range(4):
        crew.admit()
    waiting = [threading.Thread(target=lambda: admitted.append(crew.admit()), daemon=True) for _ in range(3)]
    for thread in waiting:
        thread.start()
    crew.resize(5)
    wait_until(lambda: admitted == [True])
    crew.stop()
    for thread in waiting:
        thread.join(30)
    assert admitted == [True, False, False]
    assert not crew.admit()


def test_a_larger_crew_has_a_free_thread_at_once(crew: Crew) -> None:
    for _ in range(4):
        crew.occupy()
    crew.resize(8)
    assert len(crew.workers) == 5


def test_a_smaller_crew_lets_threads_go(crew: Crew) -> None:
    for _ in range(3):
        crew.occupy()
    threads = list(crew.workers)
    crew.resize(1)
    assert len(crew.workers) == 1
    wait_until(lambda: [each.is_alive() for each in threads].count(True) == 1)
    for _ in range(3):
        crew.vacate()
    crew.resize(4)
    assert len(crew.workers) == 1, "nobody needs more"


def test_a_thread_that_waits_for_room_goes_before_what_needs_none(crew: Crew) -> None:
    assert [crew.admit_at_once() for _ in range(4)] == [True] * 4
    assert not crew.admit_at_once()
    waiting = threading.Thread(target=crew.admit, daemon=True)
    waiting.start()
    wait_until(lambda: crew._waiting, within=10, describing="the thread to wait")
    crew.leave()
    waiting.join(10)
    assert not crew.admit_at_once(), "the thread has the room"
    crew.leave()
    assert crew.admit_at_once()
