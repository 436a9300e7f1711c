"""Names and scores of priorities, the queues they belong to, and the key that orders tasks."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from queuectl.domain.priority import (
    DEFAULT,
    LEVELS,
    QUEUES,
    SCORE_LIMIT,
    checked_score,
    level_named,
    level_of_score,
    queue_named,
    rank,
)
from queuectl.errors import InvalidInputError, QueueNotFoundError

SCORES = st.integers(-SCORE_LIMIT, SCORE_LIMIT)
MOMENTS = st.integers(0, 4_102_444_800_000)


def test_the_levels_are_those_of_the_guide() -> None:
    assert {level.name: level.score for level in LEVELS} == {
        "urgent": 10,
        "high": 8,
        "medium": 5,
        "low": 3,
        "background": 1,
    }
    assert DEFAULT.name == "medium"


def test_queues_are_served_from_the_highest_score_down() -> None:
    scores = [level.score for level in LEVELS]
    assert scores == sorted(scores, reverse=True)
    assert tuple(f"{level.name}_priority" for level in LEVELS) == QUEUES


@pytest.mark.parametrize("written", ["high", "HIGH", " High ", "high_priority", "High_Priority\n"])
def test_a_level_and_its_queue_answer_to_both_names(written: str) -> None:
    assert level_named(written).score == 8
    assert queue_named(written) == "high_priority"


@pytest.mark.parametrize("written", ["", "highest", "8", "high priority", "高"])
def test_an_unknown_name_is_refused_with_the_known_ones(written: str) -> None:
    with pytest.raises(InvalidInputError) as level_error:
        level_named(written)
    assert "urgent" in (level_error.value.hint or "")
    with pytest.raises(QueueNotFoundError) as queue_error:
        queue_named(written)
    assert "urgent_priority" in (queue_error.value.hint or "")


@pytest.mark.parametrize("given", [8, None, True, 3.5, b"high"])
def test_a_priority_or_queue_that_is_no_text_is_refused(given: object) -> None:
    with pytest.raises(InvalidInputError):
        level_named(given)
    with pytest.raises(QueueNotFoundError):
        queue_named(given)


@pytest.mark.parametrize(
    ("score", "name"),
    [
        (SCORE_LIMIT, "urgent"),
        (15, "urgent"),
        (10, "urgent"),
        (9, "high"),
        (8, "high"),
        (7, "medium"),
        (6, "medium"),
        (5, "medium"),
        (4, "low"),
        (3, "low"),
        (2, "background"),
        (1, "background"),
        (0, "background"),
        (-1, "background"),
        (-SCORE_LIMIT, "background"),
    ],
)
def test_a_score_belongs_to_the_nearest_level_at_or_below_it(score: int, name: str) -> None:
    assert level_of_score(score).name == name


@given(SCORES, SCORES)
def test_a_higher_score_is_never_in_a_later_queue(one: int, other: int) -> None:
    places = {level.queue: place for place, level in enumerate(LEVELS)}
    if one >= other:
        assert places[level_of_score(one).queue] <= places[level_of_score(other).queue]


@pytest.mark.parametrize("score", [0, 15, -7, SCORE_LIMIT, -SCORE_LIMIT])
def test_a_whole_number_within_the_limits_is_a_score(score: int) -> None:
    assert checked_score(score) == score


@pytest.mark.parametrize(
    "score", [SCORE_LIMIT + 1, -SCORE_LIMIT - 1, 10**30, True, False, 5.0, float("nan"), "15", None, [5]]
)
def test_anything_else_is_no_score(score: object) -> None:
    with pytest.raises(InvalidInputError):
        checked_score(score)


@given(SCORES, SCORES, MOMENTS, MOMENTS)
def test_without_aging_the_score_alone_ranks(one: int, other: int, due: int, due_too: int) -> None:
    assert (rank(one, due, None) < rank(other, due_too, None)) == (one > other)
    assert (rank(one, due, 0) == rank(other, due_too, 0)) == (one == other)


@given(
    st.tuples(SCORES, MOMENTS),
    st.tuples(SCORES, MOMENTS),
    st.floats(0.001, 1_000_000),
    st.integers(0, 10**12),
)
def test_with_aging_two_tasks_keep_their_order_for_all_time(
    one: tuple[int, int], other: tuple[int, int], minutes: float, later: int
) -> None:
    now = max(one[1], other[1]) + later
    point = round(minutes * 60_000)

    def worth(task: tuple[int, int]) -> Fraction:
        """Return the score with what the task has gained by waiting until now."""
        return task[0] + Fraction(now - task[1], point)

    assert (rank(*one, minutes) < rank(*other, minutes)) == (worth(one) > worth(other))


def test_with_aging_a_task_gains_a_point_for_each_period_it_waits() -> None:
    hour = 3_600_000
    assert rank(5, 0, 60) == rank(6, hour, 60)
    assert rank(5, 0, 60) < rank(6, hour + 1, 60)
    assert rank(5, 1, 60) > rank(6, hour, 60)


@given(SCORES, MOMENTS, st.none() | st.floats(0.001, 1_000_000))
def test_a_rank_fits_the_column_that_stores_it(score: int, due: int, minutes: float | None) -> None:
    assert -(2**62) < rank(score, due, minutes) < 2**62
