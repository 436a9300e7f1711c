"""How people write times, and how they are shown."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from queuectl.errors import InvalidInputError
from queuectl.times import iso, milliseconds, parse_duration, parse_moment, shown

ZONE = "Asia/Shanghai"
NOW = datetime(2026, 11, 24, 2, 0, tzinfo=UTC)  # a Tuesday, 10:00 in Shanghai

MOMENTS = {
    "2024-12-25 10:00:00": "2024-12-25 10:00:00 +08:00",
    "2027-1-31 9:05": "2027-01-31 09:05:00 +08:00",
    "2027/01/31": "2027-01-31 00:00:00 +08:00",
    "2027-01-31T10:00:00Z": "2027-01-31 18:00:00 +08:00",
    "2027-01-31T10:00:00.123+0100": "2027-01-31 17:00:00 +08:00",
    "2027-01-31 10:00 UTC": "2027-01-31 18:00:00 +08:00",
    "2027-01-31 10:00 Europe/Berlin": "2027-01-31 17:00:00 +08:00",
    "2027年1月31日 10:00": "2027-01-31 10:00:00 +08:00",
    "in 2h30m": "2026-11-24 12:30:00 +08:00",
    "90m": "2026-11-24 11:30:00 +08:00",
    "2 hours and 30 minutes": "2026-11-24 12:30:00 +08:00",
    "1.5h": "2026-11-24 11:30:00 +08:00",
    "2小时后": "2026-11-24 12:00:00 +08:00",
    "两小时后": "2026-11-24 12:00:00 +08:00",
    "半小时后": "2026-11-24 10:30:00 +08:00",
    "一个半小时后": "2026-11-24 11:30:00 +08:00",
    "二十五分钟之后": "2026-11-24 10:25:00 +08:00",
    "明天 10:00": "2026-11-25 10:00:00 +08:00",
    "明天上午10点": "2026-11-25 10:00:00 +08:00",
    "后天下午三点半": "2026-11-26 15:30:00 +08:00",
    "今晚8点": "2026-11-24 20:00:00 +08:00",
    "中午12点": "2026-11-24 12:00:00 +08:00",
    "中午1点": "2026-11-24 13:00:00 +08:00",
    "下周一": "2026-11-30 00:00:00 +08:00",
    "周五 18:30": "2026-11-27 18:30:00 +08:00",
    "12月25日 10:00": "2026-12-25 10:00:00 +08:00",
    "3月5日": "2027-03-05 00:00:00 +08:00",
    "18:30": "2026-11-24 18:30:00 +08:00",
    "09:00": "2026-11-25 09:00:00 +08:00",
    "tomorrow": "2026-11-25 00:00:00 +08:00",
    "Tomorrow at 9am": "2026-11-25 09:00:00 +08:00",
    "12pm": "2026-11-24 12:00:00 +08:00",
    "12am": "2026-11-25 00:00:00 +08:00",
    "friday at 5pm": "2026-11-27 17:00:00 +08:00",
    "Dec 25 2027 10:00": "2027-12-25 10:00:00 +08:00",
    "25/12/2027": "2027-12-25 00:00:00 +08:00",
}


@pytest.mark.parametrize(("text", "expected"), MOMENTS.items(), ids=MOMENTS)
def test_a_time_is_read_in_the_configured_zone_and_shown_with_it(text: str, expected: str) -> None:
    moment = parse_moment(text, ZONE, now=NOW)
    assert moment.tzinfo is not None
    assert shown(milliseconds(moment), ZONE) == expected


@pytest.mark.parametrize(
    "text",
    ["", "10", "hello", "2027-02-30", "2027-01-31 25:00", "13pm", "25点", "0pm", "2月30日", "99999999999 weeks",
     "9999-12-31 23:59 -08:00", "0001-01-01 00:00 +08:00", "2027-01-31 10:00 +99:00", "明天上午", "x" * 5000],
)  # fmt: skip
def test_what_is_no_time_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        parse_moment(text, ZONE, now=NOW)
    assert "2027-01-31 10:00" in (caught.value.hint or "")
    assert len(caught.value.message) < 200


@pytest.mark.parametrize("text", ["01/02/2027", "1.2.27", "3-4-2027 10:00"])
def test_a_date_whose_day_and_month_may_be_swapped_is_refused(text: str) -> None:
    with pytest.raises(InvalidInputError, match="two days"):
        parse_moment(text, ZONE, now=NOW)


def test_an_unknown_zone_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="Mars/Phobos"):
        parse_moment("2027-01-31 10:00 Mars/Phobos", ZONE, now=NOW)


def test_a_skipped_local_time_means_the_first_moment_after_the_gap() -> None:
    moment = parse_moment("2027-03-28 02:30", "Europe/Berlin")
    assert shown(milliseconds(moment), "Europe/Berlin") == "2027-03-28 03:00:00 +02:00"


def test_a_doubled_local_time_means_the_first_of_both() -> None:
    moment = parse_moment("2027-10-31 02:30", "Europe/Berlin")
    assert shown(milliseconds(moment), "Europe/Berlin") == "2027-10-31 02:30:00 +02:00"


def test_a_duration_is_counted_over_a_change_of_the_clocks() -> None:
    before = datetime(2027, 3, 28, 0, 30, tzinfo=UTC)
    assert parse_moment("in 1h", "Europe/Berlin", now=before) - before == timedelta(hours=1)


def test_towards_the_past_durations_and_hours_lie_behind() -> None:
    assert parse_moment("2h", ZONE, now=NOW, towards="past") == NOW - timedelta(hours=2)
    assert shown(milliseconds(parse_moment("18:30", ZONE, now=NOW, towards="past")), ZONE).startswith(
        "2026-11-23"
    )
    assert shown(milliseconds(parse_moment("周五", ZONE, now=NOW, towards="past")), ZONE).startswith(
        "2026-11-20"
    )


def test_what_is_shown_can_be_given_back() -> None:
    for zone in ("UTC", ZONE, "America/St_Johns"):
        at = milliseconds(NOW)
        assert milliseconds(parse_moment(shown(at, zone), "Asia/Tokyo")) == at


@pytest.mark.parametrize(
    ("text", "seconds"), [("90m", 5400), ("in 1d", 86_400), ("1h 5s", 3605), ("2周", 1_209_600), ("0s", 0)]
)
def test_a_duration_is_read(text: str, seconds: int) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "90", "m", "-5m", "5 parsecs", "tomorrow", "9" * 400 + "w"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(InvalidInputError, match="not a duration"):
        parse_duration(text)


def test_programs_get_times_in_one_form() -> None:
    assert iso(None) is None
    assert iso(1_795_485_600_007) == "2026-11-24T02:00:00.007Z"


NOTES = {
    "2026-03-29 02:30": (
        "03:00:00 +02:00",
        "2026-03-29 02:30 does not exist: the clocks skip it, so 03:00 is meant",
    ),
    "2026-10-25 02:30": ("02:30:00 +02:00", "2026-10-25 02:30 comes twice that day; the first time is meant"),
    "2026-10-25 02:30 UTC": ("03:30:00 +01:00", None),
    "2026-03-29 03:30": ("03:30:00 +02:00", None),
    "in 2h": ("04:00:00 +01:00", None),
}


@pytest.mark.parametrize("text", NOTES)
def test_what_is_made_of_a_skipped_or_doubled_time_is_told(text: str) -> None:
    told: list[str] = []
    now = datetime(2026, 1, 1, 1, tzinfo=UTC)
    moment = parse_moment(text, "Europe/Berlin", now=now, tell=told.append)
    expected, note = NOTES[text]
    assert shown(milliseconds(moment), "Europe/Berlin")[11:] == expected
    assert told == ([] if note is None else [note])
