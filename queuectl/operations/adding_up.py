"""Add what transactions have done to tasks to the statistics, and remove what is too old of these."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import tzinfo

from queuectl.clock import now_ms
from queuectl.domain.dead_letter import error_shape, failure_key
from queuectl.domain.observed import MINUTE_MS, Observed, Seen
from queuectl.domain.statistics import OTHER, Step, Subject, begin_of
from queuectl.settings import Settings
from queuectl.store import observations, statistics
from queuectl.store.database import Database, Transaction
from queuectl.store.statistics import Failed, Sums
from queuectl.times import zone_named

AT_ONCE = 500
"""So many transactions are added up in one."""

MOST_FAILURES = 50
"""So many ways to fail are told apart in one queue's minute, hour or day."""

_DAY_MS = 86_400_000


def add_up(
    database: Database,
    settings: Settings,
    limit: int = AT_ONCE,
    *,
    pause: Callable[[], object] = lambda: None,
) -> int:
    """Add up to ``limit`` transactions to the statistics and return how many; 0 where none is left.

    Somebody else may be at it, or have been faster: then nothing is done, and 0 returned. ``pause`` is called
    between small pieces of what takes Python's own time, so that other threads get on.
    """
    with database.reading() as transaction:
        waiting = observations.first(transaction, limit)
    if not waiting:
        return 0
    # Read before the transaction, which on SQLite keeps everybody else from writing.
    observed = Observed()
    for each in waiting:
        observed.merge_text(each.content)
        pause()
    zone = zone_named(settings.timezone)
    try:
        with database.writing() as transaction:
            reached = statistics.lock(transaction)
            if reached is None:
                return 0
            if observations.take_away(transaction, [each.id for each in waiting]) != len(waiting):
                raise _TakenError
            sums = Sums()
            _spread(transaction, observed, sums, zone, settings.statistics_hosts)
            _spread_failures(transaction, observed, sums, zone)
            statistics.add(transaction, sums)
            statistics.save_progress(transaction, replace(reached, added_at=now_ms()))
    except _TakenError:
        return 0
    return len(waiting)


def forget_old(database: Database, settings: Settings, limit: int) -> int:
    """Remove up to about ``limit`` rows that are older than they are kept, and return how many."""
    zone = zone_named(settings.timezone)
    removed = 0
    for step, days in (
        (Step.MINUTE, settings.statistics_minute_days),
        (Step.HOUR, settings.statistics_hour_days),
        (Step.DAY, settings.statistics_day_days),
    ):
        if not days:
            continue
        before = begin_of(now_ms() - round(days * _DAY_MS), Step.DAY, zone)
        with database.writing() as transaction:
            reached = statistics.lock(transaction)
            if reached is None:
                return removed
            gone = statistics.remove(transaction, step, before, limit)
            if gone and reached.kept_since[step] < before:
                kept_since = {**reached.kept_since, step: before}
                statistics.save_progress(transaction, replace(reached, kept_since=kept_since))
        removed += gone
    return removed


def failure_of(cause: str, line: str) -> tuple[str, str]:
    """Return the key and the shape of a failure, as dead letters have them."""
    shape = error_shape(line)
    return failure_key(cause, shape), shape


class _TakenError(Exception):
    """Somebody else has added up some of the same."""


def _spread(transaction: Transaction, observed: Observed, sums: Sums, zone: tzinfo, most_hosts: int) -> None:
    """Say to which rows what was seen is to be added.

    First all hosts that will share their rows are put together, which with many hosts are most of them.
    """
    begins = _begins({minute for minute, _, _ in observed.seen}, zone)
    shown = _Names(transaction, observed, most_hosts)
    queues: defaultdict[tuple[int, str], Seen] = defaultdict(Seen)
    hosts: defaultdict[tuple[int, tuple[str, ...]], Seen] = defaultdict(Seen)
    for (minute, queue, host), seen in observed.seen.items():
        queues[minute, queue].merge(seen)
        names = tuple([shown.of_host(step, start, host) for step, start in begins[minute]])
        hosts[minute, names].merge(seen)
    for (minute, queue), seen in queues.items():
        for step, start in begins[minute]:
            sums.at((step, Subject.QUEUE, start, queue)).merge(seen)
    for (minute, names), seen in hosts.items():
        for (step, start), name in zip(begins[minute], names, strict=True):
            sums.at((step, Subject.HOST, start, name)).merge(seen)


def _begins(minutes: Iterable[int], zone: tzinfo) -> dict[int, list[tuple[Step, int]]]:
    """Return when the minute, hour and day began in which each of these minutes lies."""
    return {minute: [(step, begin_of(minute * MINUTE_MS, step, zone)) for step in Step] for minute in minutes}


class _Names:
    """Under which names hosts are counted: at most so many of their own in each minute, hour and day."""

    def __init__(self, transaction: Transaction, observed: Observed, most: int) -> None:
        self._transaction = transaction
        self._most = most
        self._known: dict[tuple[Step, int], set[str]] = {}
        # Where not all hosts of this round can have one, those get a name that have most to count.
        self._weights: Counter[str] = Counter()
        for (_, _, host), seen in observed.seen.items():
            self._weights[host] += sum(seen.counts.values())

    def of_host(self, step: Step, start: int, host: str) -> str:
        known = self._known.get((step, start))
        if known is None:
            known = statistics.names(self._transaction, step, Subject.HOST, start)
            room = self._most - len(known - {OTHER})
            new = (each for each, _ in self._weights.most_common() if each not in known)
            known |= {each for each, _ in zip(new, range(room), strict=False)}
            self._known[step, start] = known
        return host if host in known else OTHER


def _spread_failures(transaction: Transaction, observed: Observed, sums: Sums, zone: tzinfo) -> None:
    known: dict[tuple[Step, int, str], set[str]] = {}
    begins = _begins({minute for minute, _, _, _ in observed.failures}, zone)
    for (minute, queue, cause, line), (retried, dead) in observed.failures.items():
        failure, shape = failure_of(cause, line)
        for step, start in begins[minute]:
            names = known.get((step, start, queue))
            if names is None:
                names = known[step, start, queue] = statistics.failures(transaction, step, start, queue)
            if failure in names or len(names) < MOST_FAILURES:
                names.add(failure)
                kind = Failed(cause, shape)
                kept = sums.failed.setdefault((step, start, queue, failure), kind)
            else:
                kept = sums.failed.setdefault((step, start, queue, OTHER), Failed(OTHER, ""))
            kept.retried += retried
            kept.dead += dead
