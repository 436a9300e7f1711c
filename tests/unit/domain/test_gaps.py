"""Numbers that become visible out of order: none is forgotten, whichever order they come in."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from queuectl.domain.gaps import PATIENCE_MS, Gaps


def visible(gaps: Gaps, numbers: set[int]) -> list[int]:
    """Return which of these a query for what may still come would find."""
    return sorted(
        number
        for number in numbers
        if number > gaps.top or any(first <= number <= last for first, last in gaps.ranges)
    )


@given(st.permutations(range(1, 25)), st.lists(st.integers(1, 6), min_size=1, max_size=24))
def test_each_number_comes_once_in_whatever_order_they_are_committed(
    order: list[int], sizes: list[int]
) -> None:
    gaps, stored, seen, left = Gaps(), set(), [], list(order)
    for size in [*sizes, len(order)]:
        stored.update(left[:size])
        left = left[size:]
        found = visible(gaps, stored)
        seen += found
        gaps.take(found, now=0)
    assert sorted(seen) == list(range(1, 25))
    assert gaps.top == 24
    assert gaps.ranges == []


def test_a_number_that_does_not_come_is_given_up_in_the_end() -> None:
    gaps = Gaps(10)
    gaps.take([12, 15], now=0)
    assert gaps.ranges == [(11, 11), (13, 14)]
    gaps.take([13], now=PATIENCE_MS - 1)
    assert sorted(gaps.ranges) == [(11, 11), (14, 14)]
    gaps.take([16], now=PATIENCE_MS)
    assert gaps.ranges == []
