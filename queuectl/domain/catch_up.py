"""Which of the ticks that are due count, and which are left out because nobody fired them in time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import tzinfo

from queuectl.domain.cron import Cron
from queuectl.domain.schedule import CatchUp
from queuectl.domain.ticks import last_ticks, next_tick, ticks_between

ALL_LIMIT = 100
"""The most ticks that are made up for one after another; of more, the newest."""

COUNT_LIMIT = 1_000
"""Up to this many missed ticks are counted."""

ON_TIME_MS = 60_000
"""A tick that is fired later than this was missed, whatever the reason."""


@dataclass(frozen=True, slots=True)
class DueTick:
    """A tick to be recorded for the moment ``at`` (UTC milliseconds).

    ``counts`` tells whether it submits anything, ``missed`` how many earlier ticks it stands for.
    """

    at: int
    missed: int = 0
    counts: bool = True


def due_ticks(cron: Cron, zone: tzinfo, *, since: int, now: int, catch_up: CatchUp) -> list[DueTick]:
    """Return what is to be recorded for the ticks from ``since`` until ``now``, in their order.

    ``since`` was planned and counts as a tick even if its zone's rules have changed since. ``latest`` makes up for
    all of them by the last one, ``all`` for each by itself (a hundred at most), ``none`` for none that is more than
    a minute late.
    """
    if since > now:
        return []
    limit = ALL_LIMIT if catch_up == "all" else 1
    ticks = [tick.at for tick in last_ticks(cron, zone, since, now, limit)]
    if len(ticks) < limit:
        ticks.insert(0, since)
    first, *others = ticks
    missed = 0
    if first > since:
        missed = 1 + len(ticks_between(cron, zone, since, first - 1, COUNT_LIMIT - 1))
    counts = catch_up != "none" or now - first <= ON_TIME_MS
    return [DueTick(first, missed, counts), *(DueTick(at) for at in others)]


def following(cron: Cron, zone: tzinfo, *, last: int, now: int) -> int | None:
    """Return the tick after all that are due; also after a clock went back it is none that has been."""
    tick = next_tick(cron, zone, max(last, now))
    return None if tick is None else tick.at
