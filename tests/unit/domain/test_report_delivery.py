"""When reports are delivered by themselves, and on what they report."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from queuectl.domain.delivery import LONGEST_PAUSE_MS, pause_ms
from queuectl.domain.report_delivery import ReportDelivery, cron_for
from queuectl.domain.report_ticks import due_tick, following_tick, reported

SHANGHAI = ZoneInfo("Asia/Shanghai")
DAY_MS = 86_400_000


def at(*parts: int) -> int:
    return round(datetime(*parts, tzinfo=SHANGHAI).timestamp() * 1000)  # type: ignore[misc, arg-type]


@pytest.mark.parametrize(
    ("kind", "wanted"), [("daily", "30 8 * * *"), ("weekly", "30 8 * * 1"), ("monthly", "30 8 1 * *")]
)
def test_a_time_of_day_means_each_day_monday_or_the_first(kind, wanted):
    assert cron_for(kind, 8, 30) == wanted


@pytest.mark.parametrize(
    ("kind", "begin", "end"),
    [
        ("daily", (2026, 3, 1), (2026, 3, 2)),
        ("weekly", (2026, 2, 23), (2026, 3, 2)),
        ("monthly", (2026, 2, 1), (2026, 3, 1)),
    ],
)
def test_a_report_is_on_the_last_whole_day_week_or_month(kind, begin, end):
    delivery = ReportDelivery(kind, cron_for(kind, 8, 0), folder="/x")
    period = reported(delivery, SHANGHAI, at(2026, 3, 2, 8))
    assert (period.begin, period.end) == (at(*begin), at(*end))
    assert period.is_over


def test_of_many_missed_moments_the_last_counts():
    delivery = ReportDelivery("daily", "0 8 * * *", folder="/x")
    now = at(2026, 3, 10, 7, 59)
    assert due_tick(delivery, SHANGHAI, after=at(2026, 3, 2, 8), now=now) == at(2026, 3, 9, 8)
    assert due_tick(delivery, SHANGHAI, after=at(2026, 3, 9, 8), now=now) is None
    assert following_tick(delivery, SHANGHAI, now) == at(2026, 3, 10, 8)


def test_a_changed_line_is_another_one():
    one = ReportDelivery("daily", "0 8 * * *", folder="/x")
    others = [
        ReportDelivery("weekly", "0 8 * * *", folder="/x"),
        ReportDelivery("daily", "1 8 * * *", folder="/x"),
        ReportDelivery("daily", "0 8 * * *", "pdf", folder="/x"),
        ReportDelivery("daily", "0 8 * * *", lang="zh", folder="/x"),
        ReportDelivery("daily", "0 8 * * *", webhook="/x"),
    ]
    assert len({each.key for each in (one, *others)}) == 6
    assert one.key == ReportDelivery("daily", "0 8 * * *", folder="/x").key


def test_what_may_be_secret_in_an_address_is_not_shown():
    assert (
        ReportDelivery("daily", "@daily", webhook="https://a.test/x?key=1").shown_target == "https://a.test/…"
    )


def test_pauses_grow_up_to_an_hour():
    pauses = [pause_ms(tries) for tries in range(1, 40)]
    assert pauses[:3] == [30_000, 60_000, 120_000]
    assert pauses == sorted(pauses)
    assert pauses[-1] == LONGEST_PAUSE_MS
