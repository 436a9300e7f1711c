"""Periods of reports: days, weeks and months of a zone, moments, the period before, and their parts."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from queuectl.domain.report_period import HOUR_MS, before, between, day_of, month_of, spans, week_to
from queuectl.errors import InvalidInputError

SHANGHAI, BERLIN, KATHMANDU = ZoneInfo("Asia/Shanghai"), ZoneInfo("Europe/Berlin"), ZoneInfo("Asia/Kathmandu")
NOW = 1_795_867_200_000  # 28 November 2026, noon in UTC


def at(*parts: int, zone=UTC) -> int:
    return round(datetime(*parts, tzinfo=zone).timestamp() * 1000)  # type: ignore[arg-type, misc]


def naive(*parts: int) -> datetime:
    return datetime(*parts)  # type: ignore[arg-type]  # noqa: DTZ001  as people write it


def test_a_day_is_one_of_the_zone_and_is_over_when_its_midnight_has_come():
    day = day_of(date(2026, 11, 27), SHANGHAI, NOW)
    assert (day.begin, day.end) == (at(2026, 11, 26, 16), at(2026, 11, 27, 16))
    assert day.is_over
    today = day_of(date(2026, 11, 28), SHANGHAI, NOW)
    assert not today.is_over
    assert today.length == 20 * HOUR_MS


@pytest.mark.parametrize(
    ("day", "hours"), [(date(2026, 3, 29), 23), (date(2026, 10, 25), 25), (date(2026, 6, 1), 24)]
)
def test_a_day_on_which_clocks_change_has_its_own_length(day, hours):
    found = day_of(day, BERLIN, NOW)
    assert found.end - found.begin == hours * HOUR_MS
    parts, unit = spans(found, BERLIN)
    assert (len(parts), unit) == (hours, "hour")


def test_a_week_ends_with_its_day_and_a_month_has_its_own_length():
    week = week_to(date(2026, 11, 28), UTC, NOW)
    assert (week.begin, week.end) == (at(2026, 11, 22), at(2026, 11, 29))
    leap = month_of(2024, 2, UTC, NOW)
    assert (leap.begin, leap.end) == (at(2024, 2, 1), at(2024, 3, 1))
    assert month_of(2024, 12, UTC, NOW).end == at(2025, 1, 1)


def test_a_custom_period_includes_its_last_day_however_it_is_given():
    wanted = (at(2024, 12, 1), at(2025, 1, 1))
    for start, end in (
        (naive(2024, 12, 1), naive(2024, 12, 31)),
        (date(2024, 12, 1), date(2024, 12, 31)),
        (datetime(2024, 12, 1, tzinfo=UTC), date(2024, 12, 31)),
    ):
        found = between(start, end, UTC, NOW)
        assert (found.begin, found.end) == wanted
    exact = between(naive(2024, 12, 1, 8, 30), naive(2024, 12, 1, 9), UTC, NOW)
    assert (exact.begin, exact.end) == (at(2024, 12, 1, 8, 30), at(2024, 12, 1, 9))


@pytest.mark.parametrize(
    ("start", "end", "message"),
    [
        (date(2024, 12, 2), date(2024, 12, 1), "is empty"),
        (naive(2024, 12, 1, 8, 30), naive(2024, 12, 1, 8, 30), "is empty"),
        (date(2027, 1, 1), date(2027, 1, 2), "still to come"),
        (date(2000, 1, 1), date(2026, 1, 1), "ten years"),
        (date(1, 1, 1), date.max, "beyond the calendar"),
        (date(2, 1, 1), date(2, 1, 2), "no report on the year 2"),
    ],
)
def test_a_period_that_cannot_be_is_refused_in_one_line(start, end, message):
    with pytest.raises(InvalidInputError, match=message):
        between(start, end, SHANGHAI, NOW)


@pytest.mark.parametrize("zone", [UTC, BERLIN, KATHMANDU, ZoneInfo("America/New_York")])
@pytest.mark.parametrize(
    "day",
    [
        *(date.min, date(1, 1, 3), date(1969, 12, 31), date(9999, 1, 2), date.max),
        *(datetime.min.replace(tzinfo=SHANGHAI), datetime.max.replace(tzinfo=ZoneInfo("America/New_York"))),
        *(datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)),
    ],
)
def test_a_day_beyond_the_calendar_is_refused_in_one_line(day, zone):
    for make in (day_of, week_to, lambda each, zone, now: between(each, each, zone, now)):
        with pytest.raises(
            InvalidInputError, match=r"beyond the calendar|on the year|still to come|is empty"
        ):
            make(day, zone, NOW)


def test_a_moment_means_the_day_in_which_it_lies_in_the_zone():
    late = datetime(2026, 11, 26, 20, tzinfo=UTC)
    assert day_of(late, SHANGHAI, NOW) == day_of(date(2026, 11, 27), SHANGHAI, NOW)
    assert week_to(late, SHANGHAI, NOW) == week_to(date(2026, 11, 27), SHANGHAI, NOW)
    assert day_of(naive(2026, 11, 26, 20), SHANGHAI, NOW) == day_of(date(2026, 11, 26), SHANGHAI, NOW)


def test_the_earliest_and_the_latest_period_have_one_before_them():
    for zone in (UTC, KATHMANDU):
        first = day_of(date(1970, 1, 1), zone, NOW)
        assert before(first, zone).end == first.begin
        assert month_of(1970, 1, zone, NOW).begin == first.begin


@pytest.mark.parametrize(("year", "month"), [(2024, 13), (2024, 0), (24, 1), (9999, 12), (2026, 12)])
def test_a_month_that_is_none_or_to_come_is_refused(year, month):
    with pytest.raises(InvalidInputError):
        month_of(year, month, UTC, NOW)


@pytest.mark.parametrize(
    "day", [date.min, date(1969, 12, 31), date(2026, 12, 6), date(9998, 12, 31), date.max]
)
@pytest.mark.parametrize("period", [day_of, week_to])
def test_a_day_that_is_to_come_or_before_all_reports_is_refused(day, period):
    with pytest.raises(InvalidInputError):
        period(day, SHANGHAI, NOW)


def test_the_period_before_is_as_long_or_as_much_of_it_as_has_passed():
    day = day_of(date(2026, 3, 30), BERLIN, NOW)
    assert before(day, BERLIN).end == day.begin
    assert before(day, BERLIN).length == 23 * HOUR_MS
    month = before(month_of(2026, 3, UTC, NOW), UTC)
    assert (month.begin, month.end) == (at(2026, 2, 1), at(2026, 3, 1))
    today = day_of(date(2026, 11, 28), UTC, NOW)
    assert (before(today, UTC).begin, before(today, UTC).end) == (at(2026, 11, 27), at(2026, 11, 27, 12))
    custom = between(date(2026, 1, 11), date(2026, 1, 20), UTC, NOW)
    assert before(custom, UTC).begin == at(2026, 1, 1)


@pytest.mark.parametrize("zone", [UTC, BERLIN, KATHMANDU, SHANGHAI])
@pytest.mark.parametrize("days", [1, 3, 4, 31, 100, 101, 400])
def test_the_parts_of_a_period_cover_it_without_gap_or_overlap(zone, days):
    last = date(2026, 11, 20)
    period = between(last - timedelta(days=days - 1), last, zone, NOW)
    parts, unit = spans(period, zone)
    assert (parts[0].begin, parts[-1].end) == (period.begin, period.end)
    assert all(first.end == second.begin for first, second in pairwise(parts))
    assert unit == ("hour" if days <= 3 else "day" if days <= 100 else "week")
    assert len(parts) <= 101
