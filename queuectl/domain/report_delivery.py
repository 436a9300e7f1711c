"""When reports are delivered by themselves, and on which periods they report."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from hashlib import sha256
from typing import Literal

from queuectl.domain.cron import parse
from queuectl.domain.report_period import Period, day_of, month_of, week_to
from queuectl.domain.ticks import last_ticks, next_tick

DeliveryKind = Literal["daily", "weekly", "monthly"]

FIRST_PAUSE_MS, LONGEST_PAUSE_MS = 30_000, 3_600_000
"""A failed delivery is repeated after half a minute, then after twice as long each time, at most after an hour."""

_DAYS = {"daily": "* * *", "weekly": "* * 1", "monthly": "1 * *"}


@dataclass(frozen=True, slots=True)
class ReportDelivery:
    """One line of the plan: what is reported, when (a cron expression), and where it goes.

    Exactly one of ``folder`` (an absolute path) and ``webhook`` (an address) is set.
    """

    kind: DeliveryKind
    cron: str
    format: str = "html"
    lang: str = "en"
    folder: str | None = None
    webhook: str | None = None

    @property
    def target(self) -> str:
        """Where it goes."""
        return str(self.folder or self.webhook)

    @property
    def shown_target(self) -> str:
        """Where it goes, without what may be secret in an address."""
        return self.target if self.webhook is None else self.target.partition("?")[0]

    @property
    def key(self) -> str:
        """What tells it from the other lines of the plan; a line that is changed is another one."""
        parts = (self.kind, self.cron, self.format, self.lang, self.folder or "", self.webhook or "")
        return sha256("\0".join(parts).encode()).hexdigest()[:16]


def cron_for(kind: DeliveryKind, hour: int, minute: int) -> str:
    """Return the expression for a time of day: each day, each Monday, or the first of each month."""
    return f"{minute} {hour} {_DAYS[kind]}"


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


def pause_ms(tries: int) -> int:
    """Return how long to wait after so many failed tries, in milliseconds."""
    return min(FIRST_PAUSE_MS << min(tries - 1, 20), LONGEST_PAUSE_MS)
