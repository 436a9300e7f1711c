"""When a cron expression's ticks are, in its zone and through the changes of the clocks.

The policy. An expression that names hours means times of the day: one that the clocks skip comes at the first
moment after the gap (several such times come once), and one that they show twice comes the first time only. An
expression for every hour means an interval: it goes on in real time through a change, in both passes of a
doubled hour, and nothing is made up for what is skipped. Ticks are UTC milliseconds.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import islice
from typing import Literal

from queuectl.domain.cron import Cron
from queuectl.domain.local_time import end_of_gap, passes

Change = Literal["skipped", "doubled"]

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class PlannedTick:
    """One tick in UTC milliseconds, and what the clocks of its zone do at that time, if anything, with a sentence."""

    at: int
    change: Change | None = None
    note: str | None = None


def next_tick(cron: Cron, zone: tzinfo, after: int) -> PlannedTick | None:
    """Return the first tick after a moment in UTC milliseconds; None if there is none while calendars last."""
    return next(ticks_after(cron, zone, after), None)


def ticks_after(cron: Cron, zone: tzinfo, after: int) -> Iterator[PlannedTick]:
    """Yield all ticks after a moment, in their order."""
    start = _local(after, zone)
    # Shortly before clocks go back, times that have passed are still to come again.
    back = start - _local(after, zone, offset_at=_moment(after) + _DAY)
    for tick in _in_order(cron, zone, start - max(back, timedelta(0))):
        if tick.at > after:
            yield tick


def ticks_between(cron: Cron, zone: tzinfo, after: int, until: int, limit: int) -> list[PlannedTick]:
    """Return the first ticks after one moment and up to another, ``limit`` at most."""
    found: list[PlannedTick] = []
    for tick in islice(ticks_after(cron, zone, after), limit):
        if tick.at > until:
            break
        found.append(tick)
    return found


def last_ticks(cron: Cron, zone: tzinfo, after: int, until: int, limit: int) -> list[PlannedTick]:
    """Return the last ticks after one moment and up to another in their order, ``limit`` at most.

    It looks from the end, so that an absence of years costs no more than one of a day.
    """
    end = _local(until, zone)
    # Shortly after clocks went back, times that are still to come have passed once already.
    ahead = _local(until, zone, offset_at=_moment(until) - _DAY) - end
    found: list[PlannedTick] = []
    for tick in _in_order(cron, zone, end + max(ahead, timedelta(0)), backwards=True):
        if tick.at <= after or len(found) == limit:
            break
        if tick.at <= until:
            found.append(tick)
    return found[::-1]


def _in_order(cron: Cron, zone: tzinfo, start: datetime, *, backwards: bool = False) -> Iterator[PlannedTick]:
    """Yield ticks from a local time on, in the order of their moments, or against it.

    Only where an hour is doubled does the order of moments differ from that of local times, so what comes out
    of order waits until nothing can come before it.
    """
    sign = -1 if backwards else 1
    waiting: list[tuple[int, int, PlannedTick]] = []
    last: int | None = None
    gap: datetime | None = None
    for number, naive in enumerate(cron.matches(start, backwards=backwards)):
        ticks = _of_time(cron, zone, naive)
        if not ticks:
            gap = naive
            continue
        if gap is not None and not backwards:
            note = f"the clocks skip {gap:%H:%M}; the interval goes on"
            ticks, gap = [replace(each, change="skipped", note=note) for each in ticks], None
        for tick in ticks:
            heapq.heappush(waiting, (sign * tick.at, number, tick))
        nearest = min(sign * tick.at for tick in ticks)
        while waiting and waiting[0][0] <= nearest:
            tick = heapq.heappop(waiting)[2]
            if tick.at != last:
                yield tick
            last = tick.at
    yield from (each[2] for each in sorted(waiting))


def _of_time(cron: Cron, zone: tzinfo, naive: datetime) -> list[PlannedTick]:
    """Return the ticks that a matching local time stands for: none, one or two."""
    found = passes(naive, zone)
    if len(found) == 1:
        return [PlannedTick(_milliseconds(found[0]))]
    clock = f"{naive:%H:%M}"
    if not found:
        if cron.every_hour:
            return []
        note = f"{clock} is skipped by the clocks; it comes at the first moment after the gap"
        return [PlannedTick(_milliseconds(end_of_gap(naive, zone)), "skipped", note)]
    if cron.every_hour:
        words = ("first", "second")
        return [
            PlannedTick(_milliseconds(each), "doubled", f"{clock} comes twice; this is the {word} time")
            for each, word in zip(found, words, strict=True)
        ]
    return [
        PlannedTick(_milliseconds(found[0]), "doubled", f"{clock} comes twice; only the first time counts")
    ]


def _local(at: int, zone: tzinfo, *, offset_at: datetime | None = None) -> datetime:
    """Return what the clocks of a zone show at a moment, or would by the offset that they have at another one."""
    moment = _moment(at)
    offset = (offset_at or moment).astimezone(zone).utcoffset() or timedelta(0)
    return (moment + offset).replace(tzinfo=None)


def _moment(at: int) -> datetime:
    return datetime.fromtimestamp(at / 1000, UTC)


def _milliseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
