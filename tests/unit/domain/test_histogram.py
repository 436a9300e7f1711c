"""Distributions of times: what the buckets promise, and that they add up."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from queuectl.domain.histogram import RELATIVE_ERROR, Gathering, Histogram, bucket_of, typical, upper_bound

_TIMES = st.integers(min_value=0, max_value=10**11)


def _of(times: list[int]) -> Histogram:
    gathering = Gathering()
    for ms in times:
        gathering.add(ms)
    return gathering.histogram()


@given(st.integers(min_value=1, max_value=10**11))
def test_a_time_is_no_longer_than_its_bucket_and_longer_than_the_one_before(ms: int) -> None:
    bucket = bucket_of(ms)
    assert ms <= upper_bound(bucket) * (1 + 1e-12)
    assert bucket == 0 or ms > upper_bound(bucket - 1) * (1 - 1e-12)


@given(st.integers(min_value=1, max_value=10**11))
def test_what_stands_for_a_bucket_is_no_further_off_than_is_said(ms: int) -> None:
    assert abs(typical(bucket_of(ms)) - ms) <= RELATIVE_ERROR * ms * (1 + 1e-9)


def test_powers_of_two_end_their_buckets() -> None:
    for power in range(36):
        assert bucket_of(2**power) == 16 * power


@given(st.lists(st.integers(min_value=1, max_value=10**9), min_size=1, max_size=200), st.floats(0, 1))
def test_a_quantile_is_within_the_error_of_the_one_of_the_times_themselves(
    times: list[int], fraction: float
) -> None:
    exact = sorted(times)[max(0, math.ceil(fraction * len(times)) - 1)]
    found = _of(times).quantile_ms(fraction)
    assert found is not None
    if fraction == 1:
        assert found == max(times)
    else:
        assert abs(found - exact) <= RELATIVE_ERROR * exact * (1 + 1e-9)


def test_of_two_times_the_longer_one_is_what_nearly_all_do_not_exceed() -> None:
    found = _of([403, 823])
    assert found.quantile_ms(0.5) == pytest.approx(403, rel=RELATIVE_ERROR)
    assert found.quantile_ms(0.95) == pytest.approx(823, rel=RELATIVE_ERROR)


@given(st.lists(_TIMES, max_size=100), st.lists(_TIMES, max_size=100))
def test_two_parts_add_up_to_the_whole(first: list[int], second: list[int]) -> None:
    gathering = Gathering()
    gathering.merge(_of(first))
    stored = Gathering()
    stored.merge(_of(second))
    gathering.merge_stored(stored.stored(), stored.total_ms, stored.longest_ms)
    assert gathering.histogram() == _of(first + second)


@given(st.lists(_TIMES, min_size=1, max_size=100))
def test_number_mean_and_longest_are_exact(times: list[int]) -> None:
    found = _of(times)
    assert (found.count, found.total_ms, found.longest_ms) == (len(times), sum(times), max(times))
    assert found.mean_ms == pytest.approx(sum(times) / len(times))


def test_nothing_measured_has_no_mean_and_no_quantile() -> None:
    assert Histogram().mean_ms is None
    assert Histogram().quantile_ms(0.5) is None


def test_clocks_that_disagree_make_no_negative_time() -> None:
    assert _of([-5]) == _of([0])
