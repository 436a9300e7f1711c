"""How much a daemon holds: enough for its workers, and never so much that an urgent task waits behind it."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from queuectl.domain.priority import QUEUES
from queuectl_daemon import window
from queuectl_daemon.window import LONGEST, Pace, room

URGENT, HIGH, MEDIUM, LOW, BACKGROUND = QUEUES


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr(window, "monotonic", lambda: now[0])
    return now


def test_without_anything_in_hand_every_queue_has_the_whole_room() -> None:
    assert room(8, {}) == dict.fromkeys(QUEUES, 8)


def test_a_queue_competes_with_those_above_it_only() -> None:
    rooms = room(8, {MEDIUM: 8})
    assert rooms == {URGENT: 8, HIGH: 8, MEDIUM: 0, LOW: 0, BACKGROUND: 0}


@given(capacity=st.integers(-20, 600), held=st.dictionaries(st.sampled_from(QUEUES), st.integers(0, 700)))
def test_rooms_are_never_negative_and_shrink_downwards(capacity: int, held: dict[str, int]) -> None:
    rooms = list(room(capacity, held).values())
    assert all(each >= 0 for each in rooms)
    assert rooms == sorted(rooms, reverse=True)
    assert room(capacity, held)[URGENT] == max(0, capacity - held.get(URGENT, 0))


@given(held=st.dictionaries(st.sampled_from(QUEUES), st.integers(0, 40)), more=st.sampled_from(QUEUES))
def test_what_is_taken_leaves_that_much_less_room(held: dict[str, int], more: str) -> None:
    before = room(100, held)
    after = room(100, Counter(held) + Counter([more]))
    for queue in QUEUES:
        lower = QUEUES.index(queue) >= QUEUES.index(more)
        assert before[queue] - after[queue] == (1 if lower and before[queue] else 0)


def test_nothing_is_claimed_ahead_before_anything_is_known() -> None:
    pace = Pace()
    assert pace.claims_ahead() == 0
    assert pace.listed(3) == 3
    assert pace.per_minute() == 0


def test_quick_tasks_are_claimed_ahead_and_bounded() -> None:
    pace = Pace()
    for _ in range(200):
        pace.note(100, 0.01, 0.01)
    assert pace.per_second == pytest.approx(10_000, rel=0.01)
    assert pace.claims_ahead() == round(pace.per_second * 0.015)
    for _ in range(200):
        pace.note(1000, 0.01, 0.001)
    assert pace.claims_ahead() == LONGEST
    assert pace.listed(3) == LONGEST


def test_long_tasks_are_claimed_for_free_workers_only() -> None:
    pace = Pace()
    for _ in range(50):
        pace.note(100, 0.01, 0.01)
    for _ in range(200):
        pace.note(4, 4 * 0.2, 0.2)
    assert pace.mean_seconds == pytest.approx(0.2, rel=0.05)
    assert pace.claims_ahead() == 0
    assert pace.listed(0) == 0
    assert pace.listed(2) == 2


def test_one_long_task_among_many_quick_ones_changes_little() -> None:
    pace = Pace()
    for _ in range(50):
        pace.note(100, 0.1, 0.01)
    pace.note(1, 0.4, 0.01)
    assert pace.mean_seconds is not None
    assert pace.mean_seconds < 0.05
    assert pace.claims_ahead() > 0


def test_a_tick_without_time_teaches_nothing() -> None:
    pace = Pace()
    pace.note(5, 1.0, 0.0)
    pace.note(5, 1.0, -1.0)
    assert (pace.per_second, pace.mean_seconds) == (0.0, None)


def test_runs_are_counted_for_a_minute(clock: list[float]) -> None:
    pace = Pace()
    pace.note(10, 0.1, 1.0)
    clock[0] += 30
    pace.note(5, 0.1, 1.0)
    assert pace.per_minute() == 15
    clock[0] += 31
    assert pace.per_minute() == 5
    clock[0] += 31
    assert pace.per_minute() == 0


def test_where_queues_take_turns_every_task_in_hand_takes_room_from_all() -> None:
    held = {"background_priority": 3}
    assert room(8, held)["urgent_priority"] == 8
    assert room(8, held, in_turns=True) == dict.fromkeys(QUEUES, 5)
    assert room(2, held, in_turns=True) == dict.fromkeys(QUEUES, 0)
