"""When a planned report is due, and on which period it reports."""

from __future__ import annotations

from datetime import datetime, timedelta, tzinfo

from queuectl.domain.cron import parse
from queuectl.domain.report_delivery import ReportDelivery
from queuectl.domain.report_period import Period, day_of, month_of, week_to
from queuectl.domain.ticks import last_ticks, next_tick


def due_tick(delivery: ReportDelivery, zone: tzinfo, *, after: int, now: int) -> int | None:
    """Return the last moment after another one, and not after now, at which it is to be delivered."""
    ticks = last_ticks(parse(delivery.cron), zone, after, now, 1)
    return ticks[0].at if ticks else None


def following_tick(delivery: ReportDelivery, zone: tzinfo, now: int) -> int | None:
    """Return when it is to be delivered next."""
    tick = next_tick(parse(delivery.cron), zone, now)
    return None if tick is None else tick.at


def reported(delivery: ReportDelivery, zone: tzinfo, tick: int) -> Period:
    """Return the last whole day, seven days or month before the day of a tick."""
    today = datetime.fromtimestamp(tick / 1000, zone).date()
    yesterday = today - timedelta(days=1)
    if delivery.kind == "daily":
        return day_of(yesterday, zone, tick)
    if delivery.kind == "weekly":
        return week_to(yesterday, zone, tick)
    last = today.replace(day=1) - timedelta(days=1)
    return month_of(last.year, last.month, zone, tick)
