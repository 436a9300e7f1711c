"""Periods of statistics: where their steps begin, and of which rows they are the sum."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from queuectl.domain.histogram import Gathering
from queuectl.domain.observed import COUNTED, Observed
from queuectl.domain.statistics import (
    Counts,
    Step,
    begin_of,
    begins,
    kept_step,
    next_begin,
    pieces,
    summed,
    widened,
)

_ZONES = st.sampled_from(
    [
        UTC,
        ZoneInfo("Asia/Shanghai"),
        ZoneInfo("Europe/Berlin"),
        ZoneInfo("Asia/Kolkata"),
        ZoneInfo("America/Santiago"),
    ]
)
_START = 1_790_000_000_000
_MOMENTS = st.integers(min_value=_START, max_value=_START + 400 * 86_400_000)


def _ms(*parts: int, zone: str = "UTC") -> int:
    return round(datetime(*parts, tzinfo=ZoneInfo(zone)).timestamp() * 1000)  # type: ignore[arg-type, misc]


@given(_MOMENTS, _MOMENTS, st.sampled_from(Step), _ZONES)
def test_a_period_is_cut_into_rows_without_gap_or_overlap(
    one: int, other: int, coarsest: Step, zone: ZoneInfo
) -> None:
    start, end = (begin_of(each, Step.MINUTE, zone) for each in sorted((one, other)))
    parts = pieces(start, end, coarsest, zone)
    edges = [start, *(part.end for part in parts)]
    assert [part.start for part in parts] == edges[:-1]
    assert edges[-1] == max(start, end)
    for part in parts:
        assert begin_of(part.start, part.step, zone) == part.start
        assert begin_of(part.end, part.step, zone) == part.end
    assert len(parts) <= 7


@given(_MOMENTS, st.sampled_from(Step), _ZONES)
def test_every_moment_lies_in_one_step(moment: int, step: Step, zone: ZoneInfo) -> None:
    begin, end = begin_of(moment, step, zone), next_begin(moment, step, zone)
    assert begin <= moment < end
    assert begin_of(end - 1, step, zone) == begin
    assert begin_of(end, step, zone) == end


def test_a_day_begins_at_the_midnight_of_the_zone() -> None:
    shanghai = ZoneInfo("Asia/Shanghai")
    moment = _ms(2026, 5, 1, 15, 30, zone="Asia/Shanghai")
    assert begin_of(moment, Step.DAY, shanghai) == _ms(2026, 5, 1, zone="Asia/Shanghai")
    assert begin_of(moment, Step.DAY, UTC) == _ms(2026, 5, 1)


def test_days_are_as_long_as_the_clocks_make_them() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    start = _ms(2026, 10, 24, zone="Europe/Berlin")
    days = begins(start, start + 3 * 86_400_000, Step.DAY, berlin)
    hours = [(later - earlier) / 3_600_000 for earlier, later in itertools.pairwise(days)]
    assert hours == [24, 25]


def test_a_day_that_skips_its_midnight_begins_behind_the_gap() -> None:
    santiago = ZoneInfo("America/Santiago")
    noon = _ms(2026, 9, 6, 12, zone="America/Santiago")
    begin = datetime.fromtimestamp(begin_of(noon, Step.DAY, santiago) / 1000, santiago)
    assert (begin.day, begin.hour) == (6, 1)


def test_a_period_is_widened_to_the_finest_rows_that_are_kept() -> None:
    now = _ms(2026, 5, 10, 12)
    kept = {Step.MINUTE: _ms(2026, 5, 8), Step.HOUR: _ms(2026, 3, 1), Step.DAY: 0}

    def wide(start: int, end: int, zone: tzinfo = UTC) -> tuple[int, int]:
        return widened(start, end, Step.DAY, zone, kept)

    assert wide(now - 90_001, now + 1) == (now - 120_000, now + 60_000)
    assert wide(_ms(2026, 4, 1, 10, 30), now)[0] == _ms(2026, 4, 1, 10)
    assert wide(_ms(2026, 2, 1, 10, 30), _ms(2026, 4, 1, 10, 30)) == (_ms(2026, 2, 1), _ms(2026, 4, 1, 11))
    # Whole hours and the days of this zone have nothing to do with each other.
    kolkata = ZoneInfo("Asia/Kolkata")
    start, _ = wide(_ms(2026, 4, 1, 10, 30), now, kolkata)
    assert start == _ms(2026, 4, 1, zone="Asia/Kolkata")


def test_a_step_becomes_as_coarse_as_what_is_kept() -> None:
    kept = {Step.MINUTE: 2_000, Step.HOUR: 1_000, Step.DAY: 0}
    assert kept_step(Step.MINUTE, 2_000, kept) is Step.MINUTE
    assert kept_step(Step.MINUTE, 1_500, kept) is Step.HOUR
    assert kept_step(Step.MINUTE, 500, kept) is Step.DAY
    assert kept_step(Step.DAY, 5_000, kept) is Step.DAY


def test_all_that_is_counted_has_a_field() -> None:
    assert set(COUNTED) <= set(Counts.__slots__)


def test_counts_add_up_with_their_distributions() -> None:
    def part(number: int) -> Counts:
        runs = Gathering()
        runs.add(number)
        return Counts(submitted=number, attempts=1, succeeded=1, runs=runs.histogram())

    total = summed([part(10), part(3000)])
    assert (total.submitted, total.attempts, total.succeeded) == (3010, 2, 2)
    assert (total.runs.count, total.runs.total_ms, total.runs.longest_ms) == (2, 3010, 3000)


def test_a_rate_of_failures_needs_runs() -> None:
    assert Counts(attempts=4, succeeded=3, dead=1).failure_rate == pytest.approx(0.25)
    assert Counts(submitted=3).failure_rate is None


def test_what_was_observed_survives_its_journey() -> None:
    first, second = Observed(), Observed()
    at = _START
    first.count("submitted", at, "medium_priority", "例え.test", 3)
    first.of(at, "medium_priority", "例え.test").waits.add(25)
    first.fail(at, "medium_priority", "exhausted", 'it said "no"\nand more', buried=True)
    second.merge_text(first.text())
    second.merge_text(first.text())
    (seen,) = second.seen.values()
    assert seen.counts["submitted"] == 6
    assert (seen.waits.total_ms, seen.waits.longest_ms, sum(seen.waits.buckets.values())) == (50, 25, 2)
    assert second.failures == {(at // 60_000, "medium_priority", "exhausted", 'it said "no"'): [0, 2]}
    assert next_begin(at, Step.MINUTE, UTC) - begin_of(at, Step.MINUTE, UTC) == timedelta(
        minutes=1
    ) // timedelta(milliseconds=1)
