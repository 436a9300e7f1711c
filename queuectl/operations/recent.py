"""What happened to each queue in the last 15 minutes, also what is not added up yet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from queuectl.domain.observed import MINUTE_MS, Observed
from queuectl.domain.status import RECENT_MS, Pace, Recent
from queuectl.store import observations, statistics
from queuectl.store.database import Transaction
from queuectl.store.statistics import RecentCounts

_MOST_LEFT = 1_000
"""So many transactions are looked at that are not added up yet; where a daemon runs there are fewer."""


def told_of_15(pace: Pace, lately: Mapping[str, Recent], now: int) -> Pace:
    """Return the pace with what happened lately, of which the first minute is a whole one."""
    return replace(
        pace,
        runs_of_15=sum(each.attempts for each in lately.values()),
        minutes_of_15=(now - _begin(now)) / MINUTE_MS,
    )


def recent(transaction: Transaction, now: int) -> Mapping[str, Recent]:
    """Return what happened to the tasks of each queue; ``now`` is the database's clock in UTC milliseconds."""
    since = _begin(now)
    counts = statistics.recent(transaction, since)
    left = Observed()
    for each in observations.last(transaction, _MOST_LEFT):
        if Observed.may_tell_of_runs(each.content):
            left.merge_text(each.content)
    for (minute, queue, _), seen in left.seen.items():
        begun = minute * MINUTE_MS
        if begun >= since and seen.counts["attempts"]:
            known = counts.setdefault(queue, RecentCounts(queue, 0, 0, 0, begun))
            counts[queue] = RecentCounts(
                queue,
                known.attempts + seen.counts["attempts"],
                known.failed + seen.counts["retried"] + seen.counts["dead"],
                known.ended + seen.counts["succeeded"] + seen.counts["dead"],
                min(known.first, begun),
            )
    return {
        queue: Recent(each.attempts, each.failed, each.ended, max(1, now - each.first))
        for queue, each in counts.items()
    }


def _begin(now: int) -> int:
    """Return the first whole minute of the last 15, in UTC milliseconds."""
    return (now - RECENT_MS) // MINUTE_MS * MINUTE_MS + MINUTE_MS
