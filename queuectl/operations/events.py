"""The stream of what happens to tasks: the latest events, and those that come, each of them once."""

from __future__ import annotations

from collections.abc import Iterator

from queuectl.clock import now_ms
from queuectl.domain.event import Event
from queuectl.domain.gaps import Gaps
from queuectl.domain.selection import Selection
from queuectl.store import events, listing
from queuectl.store.database import Database, Transaction

_LOOK_BACK_MS = 2_000
"""Longer than any transaction takes from its writing to its commit."""

_UNSETTLED = 10_000
"""So many numbers below the highest one are looked through for tasks whose submission is not committed yet."""

_MOST_GROUPS = 5
"""So many groups of new tasks are read at a time; the others wait for the next time."""


def latest(database: Database, selection: Selection, limit: int, since: int | None = None) -> list[Event]:
    """Return the last ``limit`` events, the first of them first; only those at or after ``since``.

    Of every kind the last ones are read, since none of the last events of all can be missing among them:
    a run that began among them ends after that or runs on.
    """
    with database.reading() as transaction:
        ends = events.latest_ends(transaction, selection, limit)
        found = [each.event for each in ends] + [each.run.start for each in ends]
        found += [each.start for each in events.running(transaction, selection)]
        found += events.latest_submissions(transaction, selection, limit)
        found += events.latest_changes(transaction, selection, limit)
    if since is not None:
        found = [event for event in found if event.at >= since]
    return sorted(found, key=_in_time)[-limit:]


class EventStream:
    """What happens from now on: ``poll`` returns what is new since the last call, with a few bounded queries."""

    def __init__(self, database: Database, selection: Selection) -> None:
        self._database = database
        self._selection = selection
        with database.reading() as transaction:
            self._since = transaction.now()
            self._started = {run.key for run in events.running(transaction, selection)}
            self._gaps = _gaps_at(transaction)
            self._ended = {
                each.run.key: each.recorded_at for each in self._recent_ends(transaction, selection)
            }
            self._changed = {each.number: each.at for each in self._recent_changes(transaction)}

    def poll(self) -> list[Event]:
        """Return the events since the last call, in the order of their times."""
        with self._database.reading() as transaction:
            now = transaction.now()  # first, so that what is written during the queries counts as new
            found = list(self._submissions(transaction))
            found += self._runs(transaction)
            found += self._changes(transaction)
        self._since = max(self._since, now)
        self._forget()
        return sorted(found, key=_in_time)

    def _submissions(self, transaction: Transaction) -> Iterator[Event]:
        for _ in range(_MOST_GROUPS):
            found = events.submissions_in(transaction, self._selection, self._gaps.ranges)
            found += events.submissions_above(transaction, self._selection, self._gaps.top)
            if not found:
                return
            self._gaps.take([event.task for event, _ in found], now_ms())
            yield from (event for event, chosen in found if chosen)

    def _runs(self, transaction: Transaction) -> Iterator[Event]:
        running = events.running(transaction, self._selection)
        for run in running:
            if run.key not in self._started:
                yield run.start
        for end in self._recent_ends(transaction, self._selection):
            if end.run.key in self._ended:
                continue
            if end.run.key not in self._started:
                yield end.run.start
            yield end.event
            self._ended[end.run.key] = end.recorded_at
        self._started = {run.key for run in running}

    def _changes(self, transaction: Transaction) -> Iterator[Event]:
        for change in self._recent_changes(transaction):
            if change.number not in self._changed:
                yield from change.events
                self._changed[change.number] = change.at

    def _recent_ends(self, transaction: Transaction, selection: Selection) -> Iterator[events.End]:
        return events.ends_since(transaction, selection, self._since - _LOOK_BACK_MS)

    def _recent_changes(self, transaction: Transaction) -> list[events.Change]:
        return events.changes_since(transaction, self._selection, self._since - _LOOK_BACK_MS)

    def _forget(self) -> None:
        oldest = self._since - _LOOK_BACK_MS
        self._ended = {key: at for key, at in self._ended.items() if at >= oldest}
        self._changed = {number: at for number, at in self._changed.items() if at >= oldest}


def _gaps_at(transaction: Transaction) -> Gaps:
    """Return where submissions go on, with the numbers that others may be about to commit."""
    top = listing.newest(transaction)
    if transaction.database.engine == "sqlite":
        return Gaps(top)  # one writer at a time, so numbers become visible in order
    gaps = Gaps(max(0, top - _UNSETTLED))
    gaps.take(events.numbers_between(transaction, gaps.top + 1, top), now_ms())
    return gaps


def _in_time(event: Event) -> tuple[int, int, int, bool]:
    """Return the key of the order in time; what happens to a task within a millisecond keeps its natural order."""
    run = 0 if event.kind == "submit" else event.attempt if event.attempt is not None else 2**31
    return event.at, event.task, run, event.kind != "start"
