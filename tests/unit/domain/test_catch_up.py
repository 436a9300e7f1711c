"""Which due ticks count: by the policy, bounded, and never one that has been."""

from __future__ import annotations

from itertools import takewhile
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from queuectl.domain.catch_up import ALL_LIMIT, COUNT_LIMIT, ON_TIME_MS, DueTick, due_ticks, following
from queuectl.domain.cron import parse
from queuectl.domain.schedule import CATCH_UP, CatchUp
from queuectl.domain.ticks import next_tick, ticks_after

ZONE = ZoneInfo("Europe/Berlin")
MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
NOON = 1_795_604_400_000  # 2026-11-25 12:00 in Berlin
DAILY, MINUTELY = parse("0 12 * * *"), parse("* * * * *")


def due(cron, since: int, now: int, catch_up: CatchUp) -> list[DueTick]:
    return due_ticks(cron, ZONE, since=since, now=now, catch_up=catch_up)


@pytest.mark.parametrize("catch_up", CATCH_UP)
def test_a_tick_in_time_is_fired_by_every_policy(catch_up: CatchUp) -> None:
    assert due(DAILY, NOON, NOON + 20, catch_up) == [DueTick(NOON)]
    assert due(DAILY, NOON, NOON - 1, catch_up) == []


def test_latest_makes_up_for_a_week_by_one_tick() -> None:
    assert due(DAILY, NOON, NOON + 7 * DAY + HOUR, "latest") == [DueTick(NOON + 7 * DAY, missed=7)]


def test_all_makes_up_for_each_and_for_a_hundred_at_most() -> None:
    assert due(DAILY, NOON, NOON + 2 * DAY, "all") == [DueTick(NOON + days * DAY) for days in range(3)]
    found = due(MINUTELY, NOON, NOON + 150 * MINUTE, "all")
    assert len(found) == ALL_LIMIT
    assert found[0] == DueTick(NOON + 51 * MINUTE, missed=51)
    assert found[-1] == DueTick(NOON + 150 * MINUTE)


def test_none_leaves_out_what_is_late_and_says_so() -> None:
    assert due(DAILY, NOON, NOON + ON_TIME_MS, "none") == [DueTick(NOON)]
    assert due(DAILY, NOON, NOON + ON_TIME_MS + 1, "none") == [DueTick(NOON, counts=False)]
    assert due(DAILY, NOON, NOON + 2 * DAY + 1, "none") == [DueTick(NOON + 2 * DAY, missed=2)]


def test_what_was_planned_counts_although_the_rules_of_its_zone_have_changed() -> None:
    planned = NOON - HOUR
    assert due(DAILY, planned, planned + 5, "latest") == [DueTick(planned)]
    assert due(DAILY, planned, NOON, "all") == [DueTick(planned), DueTick(NOON)]
    assert due(DAILY, planned, NOON, "latest") == [DueTick(NOON, missed=1)]


def test_years_of_absence_cost_no_more_than_a_day() -> None:
    (tick,) = due(MINUTELY, NOON, NOON + 3650 * DAY, "latest")
    assert (tick.at, tick.missed) == (NOON + 3650 * DAY, COUNT_LIMIT)


CRONS = ["*/7 * * * *", "30 2 * * *", "0 */5 * * *", "15 9 * * MON", "*/20 1-3 * * *"]


@settings(max_examples=60)
@given(
    text=st.sampled_from(CRONS),
    start=st.integers(NOON - 400 * DAY, NOON),
    absence=st.integers(0, 3 * DAY),
    catch_up=st.sampled_from(CATCH_UP),
)
def test_every_tick_is_recorded_or_counted_exactly_once(
    text: str, start: int, absence: int, catch_up: CatchUp
) -> None:
    cron = parse(text)
    first = next_tick(cron, ZONE, start)
    assert first is not None
    now = first.at + absence
    every = [
        tick.at for tick in takewhile(lambda tick: tick.at <= now, ticks_after(cron, ZONE, first.at - 1))
    ]
    found = due(cron, first.at, now, catch_up)
    assert [tick.at for tick in found] == every[-len(found) :]
    assert sum(tick.missed + 1 for tick in found) == len(every)
    after = following(cron, ZONE, last=found[-1].at, now=now)
    assert after is not None
    assert after > now
    assert after == next(tick.at for tick in ticks_after(cron, ZONE, every[-1]))


def test_a_clock_that_was_put_back_leads_to_no_tick_that_has_been() -> None:
    assert following(DAILY, ZONE, last=NOON, now=NOON - DAY) == NOON + DAY
