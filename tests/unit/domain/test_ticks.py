"""Ticks through the changes of the clocks: fixed cases that a person can check, and every minute walked one by one."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from queuectl.domain.cron import parse
from queuectl.domain.ticks import last_ticks, next_tick, ticks_after, ticks_between
from queuectl.times import shown

BERLIN = "Europe/Berlin"
MINUTE = timedelta(minutes=1)


def at(text: str) -> int:
    """Return an aware time in UTC milliseconds."""
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def ticks(text: str, zone: str, start: str, end: str) -> list[str]:
    found = ticks_between(parse(text), ZoneInfo(zone), at(start) - 1, at(end), 1000)
    return [shown(tick.at, zone)[11:] for tick in found]


# Clocks go forward from 02:00 to 03:00 on 2026-03-29 and back from 03:00 to 02:00 on 2026-10-25.
SPRING = (BERLIN, "2026-03-29T00:00+01:00", "2026-03-29T05:00+02:00")
AUTUMN = (BERLIN, "2026-10-25T00:30+02:00", "2026-10-25T05:00+01:00")


def test_a_skipped_time_comes_at_the_first_moment_after_the_gap() -> None:
    assert ticks("30 2 * * *", *SPRING) == ["03:00:00 +02:00"]


def test_several_skipped_times_come_once() -> None:
    assert ticks("*/15 2 * * *", *SPRING) == ["03:00:00 +02:00"]
    assert ticks("0 2,3 * * *", *SPRING) == ["03:00:00 +02:00"]


def test_a_doubled_time_comes_the_first_time_only() -> None:
    assert ticks("30 2 * * *", *AUTUMN) == ["02:30:00 +02:00"]
    assert ticks("*/30 2-3 * * *", *AUTUMN) == [
        "02:00:00 +02:00",
        "02:30:00 +02:00",
        "03:00:00 +01:00",
        "03:30:00 +01:00",
    ]


def test_an_interval_goes_on_in_real_time_through_both_changes() -> None:
    for start, end, hours in ((SPRING[1], SPRING[2], 4), (AUTUMN[1], AUTUMN[2], 5.5)):
        found = ticks_between(parse("*/15 * * * *"), ZoneInfo(BERLIN), at(start) - 1, at(end), 1000)
        gaps = {later.at - earlier.at for earlier, later in pairwise(found)}
        assert gaps == {15 * 60_000}
        assert len(found) == hours * 4 + 1


def test_an_hourly_tick_comes_in_both_passes_and_nothing_is_made_up() -> None:
    assert ticks("30 * * * *", *SPRING) == [
        "00:30:00 +01:00",
        "01:30:00 +01:00",
        "03:30:00 +02:00",
        "04:30:00 +02:00",
    ]
    assert ticks("30 * * * *", *AUTUMN)[:4] == [
        "00:30:00 +02:00",
        "01:30:00 +02:00",
        "02:30:00 +02:00",
        "02:30:00 +01:00",
    ]


def test_a_change_of_half_an_hour_is_one_too() -> None:
    # Lord Howe Island: 02:00 becomes 02:30 on 2026-10-04, and 02:00 becomes 01:30 again on 2026-04-05.
    zone = "Australia/Lord_Howe"
    assert ticks("15 2 * * *", zone, "2026-10-03T12:00+00:00", "2026-10-04T12:00+00:00") == [
        "02:30:00 +11:00"
    ]
    assert ticks("45 1 * * *", zone, "2026-04-04T12:00+00:00", "2026-04-05T12:00+00:00") == [
        "01:45:00 +11:00"
    ]


def test_a_whole_day_that_never_was_is_made_up_once() -> None:
    # Samoa went from the 29th to the 31st of December 2011.
    found = ticks("30 10 * * *", "Pacific/Apia", "2011-12-29T12:00-10:00", "2011-12-31T23:00+14:00")
    assert found == ["00:00:00 +14:00", "10:30:00 +14:00"]


MARKS = {
    ("30 2 * * *", SPRING[1]): (
        "skipped",
        "02:30 is skipped by the clocks; it comes at the first moment after the gap",
    ),
    ("30 2 * * *", AUTUMN[1]): ("doubled", "02:30 comes twice; only the first time counts"),
    ("30 * * * *", "2026-03-29T01:45+01:00"): ("skipped", "the clocks skip 02:30; the interval goes on"),
    ("30 * * * *", "2026-10-25T02:00+02:00"): ("doubled", "02:30 comes twice; this is the first time"),
    ("30 * * * *", "2026-10-25T02:00+01:00"): ("doubled", "02:30 comes twice; this is the second time"),
    ("30 4 * * *", SPRING[1]): (None, None),
}


@pytest.mark.parametrize(("text", "after"), MARKS)
def test_a_tick_says_what_the_clocks_do(text: str, after: str) -> None:
    tick = next_tick(parse(text), ZoneInfo(BERLIN), at(after))
    assert tick is not None
    assert (tick.change, tick.note) == MARKS[text, after]


def test_years_of_ticks_are_looked_at_from_the_end() -> None:
    cron, zone = parse("* * * * *"), ZoneInfo(BERLIN)
    end = at("2026-11-25T12:00:30+01:00")
    found = last_ticks(cron, zone, at("2016-11-25T12:00+01:00"), end, 3)
    assert [shown(tick.at, BERLIN)[11:16] for tick in found] == ["11:58", "11:59", "12:00"]
    assert last_ticks(cron, zone, end, end, 3) == []


# Every minute, one by one.

CHANGES = [
    # (zone, a day at or shortly before a change, in UTC)
    *(
        (BERLIN, day)
        for day in ("2024-03-31", "2024-10-27", "2025-03-30", "2025-10-26", "2026-03-29", "2026-10-25")
    ),
    *(
        ("America/New_York", day)
        for day in ("2025-03-09", "2025-11-02", "2026-03-08", "2026-11-01", "2027-03-14")
    ),
    *(
        ("Australia/Lord_Howe", day)
        for day in ("2025-04-05", "2025-10-04", "2026-04-04", "2026-10-03", "2027-04-03")
    ),
    # Sao Paulo changed at midnight while it did; since 2019 its clocks rest.
    *(
        ("America/Sao_Paulo", day)
        for day in ("2017-10-15", "2018-02-18", "2018-11-04", "2019-02-17", "2026-11-01")
    ),
    *(("Asia/Shanghai", day) for day in ("1986-05-03", "1991-09-14", "2026-03-29")),
    ("UTC", "2026-03-29"),
]

numbers = st.integers


def lists(least: int, most: int) -> st.SearchStrategy[str]:
    """Give a field: everything, a step, a range, or a few values."""
    values = st.lists(numbers(least, most), min_size=1, max_size=3, unique=True)
    return st.one_of(
        st.just("*"),
        numbers(2, most - least).map(lambda step: f"*/{step}"),
        st.tuples(numbers(least, most), numbers(least, most)).map(lambda ends: f"{min(ends)}-{max(ends)}"),
        values.map(lambda some: ",".join(map(str, some))),
    )


def members(field: str, least: int, most: int) -> set[int]:
    """Return the values of a field as written by ``lists``."""
    if field.startswith("*"):
        return set(range(least, most + 1, int(field.partition("/")[2] or 1)))
    if "-" in field:
        first, _, last = field.partition("-")
        return set(range(int(first), int(last) + 1))
    return set(map(int, field.split(",")))


def walked(minute: str, hour: str, weekday: str, zone: ZoneInfo, start: datetime, end: datetime) -> list[int]:
    """Return the ticks by walking over every minute of the world and looking at the clock on the wall."""
    minutes, hours, days = members(minute, 0, 59), members(hour, 0, 23), members(weekday, 0, 7)

    def matches(wall: datetime) -> bool:
        return (
            wall.minute in minutes
            and wall.hour in hours
            and bool({wall.isoweekday(), wall.isoweekday() % 7} & days)
        )

    interval = len(hours) == 24
    seen: set[datetime] = set()
    found = []
    before: datetime | None = None
    moment = start - timedelta(hours=6)
    while moment <= end:
        wall = moment.astimezone(zone).replace(tzinfo=None, fold=0)
        counts = matches(wall) and (interval or wall not in seen)
        if before is not None and not interval:
            missing = before + MINUTE
            while missing < wall:
                counts = counts or (matches(missing) and missing not in seen)
                missing += MINUTE
        seen.add(wall)
        if counts and moment >= start:
            found.append(round(moment.timestamp() * 1000))
        before = wall
        moment += MINUTE
    return found


@settings(max_examples=60)
@given(
    change=st.sampled_from(CHANGES),
    minute=lists(0, 59),
    hour=lists(0, 23),
    weekday=lists(0, 7),
    shift=numbers(0, 180),
)
@example(change=CHANGES[1], minute="*/15", hour="*", weekday="*", shift=0)
@example(change=CHANGES[0], minute="*/15", hour="2", weekday="*", shift=61)
def test_ticks_are_those_of_a_walk_over_every_minute(
    change: tuple[str, str], minute: str, hour: str, weekday: str, shift: int
) -> None:
    name, day = change
    zone = ZoneInfo(name)
    start = datetime.fromisoformat(f"{day}T00:00+00:00") - timedelta(hours=2) + shift * MINUTE
    end = start + timedelta(hours=18)
    expected = walked(minute, hour, weekday, zone, start, end)
    cron = parse(f"{minute} {hour} * * {weekday}")
    first, last = round(start.timestamp() * 1000) - 1, round(end.timestamp() * 1000)
    found = [tick.at for tick in ticks_between(cron, zone, first, last, 5000)]
    assert found == expected
    assert [tick.at for tick in last_ticks(cron, zone, first, last, 5000)] == expected
    # However it is asked for, the next tick is the next one.
    for earlier, later in list(zip([first, *expected], expected, strict=False))[::7][:20]:
        assert next_tick(cron, zone, earlier).at == later  # type: ignore[union-attr]
        assert next_tick(cron, zone, later - 1).at == later  # type: ignore[union-attr]
        assert last_ticks(cron, zone, earlier, later, 1)[0].at == later


@given(zone=st.sampled_from(sorted({zone for zone, _ in CHANGES})), start=st.integers(0, 4_000_000_000_000))
def test_ticks_only_go_forward(zone: str, start: int) -> None:
    found = [tick.at for tick in islice(ticks_after(parse("*/7 1-3 * * *"), ZoneInfo(zone), start), 30)]
    assert found == sorted(set(found))
    assert found[0] > start
