"""Fire schedules: what is due is claimed, its source is read, and the tick with all that it brings is one transaction.

A crash before the commit leaves the tick due, and whoever claims it next fires it again. Two nodes never both
do: the one that commits second finds the schedule moved on, and undoes everything.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace

from queuectl.domain.catch_up import DueTick, due_ticks, following
from queuectl.domain.cron import parse
from queuectl.domain.schedule import Outcome, Schedule, Tick
from queuectl.domain.task import batch_name
from queuectl.domain.visible import storable
from queuectl.errors import (
    BadInputFileError,
    DatabaseUnreachableError,
    InvalidInputError,
    QueuectlError,
    QueueFullError,
    RefusedError,
    StorageError,
)
from queuectl.operations.auditing import Operation
from queuectl.operations.intake import Intake, take_in
from queuectl.operations.sources.reading import SourceReader
from queuectl.operations.submission import tell_planner, write_batch
from queuectl.settings import Settings
from queuectl.shortage import is_shortage
from queuectl.store import schedules, ticks
from queuectl.store.database import Database, Transaction
from queuectl.store.submission import NewTask
from queuectl.times import shown, zone_named

logger = logging.getLogger("queuectl.schedules")

_SPARE_MS = 60_000
_MINUTE_MS = 60_000
_LONGEST_PROBLEM = 1_000
_LONGEST_BATCH_NAME = 200
_MISSED = "nobody fired it in time, and missed ticks are left out"


@dataclass(frozen=True, slots=True)
class Fired:
    """A tick that was recorded; ``is_news`` tells whether its problem is one that was not there before."""

    schedule: Schedule
    tick: Tick
    is_news: bool = False


@dataclass(frozen=True, slots=True)
class _Bad:
    """Why a tick submits nothing; ``lasting`` problems are shown until a reading is good again."""

    outcome: Outcome
    problem: str
    lasting: bool = True


class Firing:
    """Fires schedules for a node; threads may share one.

    ``clock`` tells the time inside a transaction; by default it is the database's, which all nodes share.
    """

    def __init__(
        self,
        database: Database,
        settings: Settings,
        reader: SourceReader,
        *,
        node: str | None = None,
        clock: Callable[[Transaction], int] = Transaction.now,
    ) -> None:
        self._database = database
        self._settings = settings
        self._reader = reader
        self._node = node
        self._clock = clock
        self._claim_ms = round(settings.fetch_timeout * 1000) + _SPARE_MS

    def claim(self) -> Schedule | None:
        """Claim the schedule that is due for the longest time, so that no other node reads its source too."""
        with self._database.writing() as transaction:
            now = self._clock(transaction)
            return schedules.claim_due(transaction, now, until=now + self._claim_ms, node=self._node or "")

    def give_back(self, schedule: Schedule) -> None:
        """End this node's claim on a schedule that it could not fire."""
        with self._database.writing() as transaction:
            schedules.give_back(transaction, schedule.id, self._node or "")

    def wait_ms(self) -> int | None:
        """Return the milliseconds until the next schedule is due; 0 if one is now, None if there is none."""
        with self._database.reading() as transaction:
            now = self._clock(transaction)
            due = schedules.next_due(transaction, until=now + self._claim_ms)
            return None if due is None else max(0, due - now)

    def fire(self, schedule: Schedule) -> list[Fired]:
        """Fire the due ticks of a claimed schedule and return what was recorded.

        Raises:
            QueuectlError: the database is away, or this machine has run out of something; what was not recorded is
            still due.
        """
        if schedule.next_tick_at is None:
            return []
        cron, zone = parse(schedule.cron), zone_named(schedule.zone)
        with self._database.reading() as transaction:
            now = self._clock(transaction)
        due = due_ticks(cron, zone, since=schedule.next_tick_at, now=now, catch_up=schedule.catch_up)
        if not due:  # the clock was put back since the claim
            self.give_back(schedule)
            return []
        after = following(cron, zone, last=due[-1].at, now=now)
        return self._fire_all(schedule, due, [*(tick.at for tick in due[1:]), after])

    def fire_by_hand(self, schedule: Schedule, *, accept_shrunk: bool = False) -> Fired:
        """Fire a schedule now, whatever its plan says, and leave the plan as it is.

        Raises:
            QueuectlError: its source cannot be read or must not be submitted; the tick is recorded all the same.
        """
        with ExitStack() as kept:
            failure: QueuectlError | None = None
            found: Intake | _Bad
            try:
                found = kept.enter_context(
                    take_in(self._reader, self._settings, schedule, accept_shrunk=accept_shrunk)
                )
            except QueuectlError as error:
                failure, found = error, _bad(error)
            with self._database.reading() as transaction:
                now = self._clock(transaction)
            operation = Operation(self._database, self._settings, "schedule run-now", schedule.name)
            recorded = self._record(schedule, DueTick(now), found, operation=operation)
        if failure is not None:
            raise failure
        if not recorded:
            raise RefusedError(
                f"the schedule {schedule.name!r} was removed meanwhile", hint="see: queuectl schedule list"
            )
        if recorded[0].tick.outcome != "submitted":
            raise QueueFullError(recorded[0].tick.problem, hint="see: queuectl queue list")
        return recorded[0]

    def _fire_all(self, schedule: Schedule, due: list[DueTick], nexts: list[int | None]) -> list[Fired]:
        recorded: list[Fired] = []
        intake: Intake | _Bad | None = None
        with ExitStack() as kept:
            for tick, after in zip(due, nexts, strict=True):
                found: Intake | _Bad | None = self._obstacle(schedule, tick)
                if found is None:
                    # The ticks of one absence are made up for by one reading.
                    found = intake = intake or self._take_in(schedule, kept)
                fired = self._record(schedule, tick, found, after=after, is_last=tick is due[-1])
                if fired is None:
                    break
                recorded += fired
                schedule = replace(schedule, next_tick_at=after)
        return recorded

    def _obstacle(self, schedule: Schedule, tick: DueTick) -> _Bad | None:
        """Return why the tick submits nothing whatever the source holds."""
        if not tick.counts:
            return _Bad("skipped", _MISSED, lasting=False)
        if schedule.overlap == "allow":
            return None
        with self._database.reading() as transaction:
            batch = ticks.open_batch(transaction, schedule.id)
        if batch is None:
            return None
        return _Bad("skipped", f"tasks of {batch_name(batch)} are still open", lasting=False)

    def _take_in(self, schedule: Schedule, kept: ExitStack) -> Intake | _Bad:
        try:
            return kept.enter_context(take_in(self._reader, self._settings, schedule, changes_only=True))
        except QueuectlError as error:
            return _bad(error)
        except Exception as error:  # whatever a source does to a parser, it must not stop the other schedules
            if is_shortage(error):
                raise StorageError(
                    f"the source cannot be read: {str(error) or type(error).__name__}",
                    hint="see: queuectl doctor",
                ) from error
            logger.exception("the source of schedule %s could not be read", schedule.name)
            return _Bad("failed", f"internal error: {type(error).__name__}: {error}")

    def _record(
        self,
        schedule: Schedule,
        due: DueTick,
        found: Intake | _Bad,
        *,
        after: int | None = None,
        is_last: bool = True,
        operation: Operation | None = None,
    ) -> list[Fired] | None:
        """Record a tick with its batch, what the source has had, and the schedule's next tick, or nothing at all.

        With an ``operation`` it was a person who fired it, besides the plan.
        Return nothing recorded for a tick that has been, and None if the schedule is not this claim's any more.
        """
        try:
            with (operation or self._database).writing() as transaction:
                now = self._clock(transaction)
                claim = None if is_last else now + _SPARE_MS
                if operation is not None:
                    if not schedules.lock(transaction, schedule.id):  # first of all, as a planned tick does
                        return None
                    due = replace(due, at=_free_moment(transaction, schedule.id, due.at))
                elif not schedules.move_on(transaction, schedule, next_tick_at=after, firing_until=claim):
                    return None
                elif ticks.happened(transaction, schedule.id, due.at):
                    return []
                tick = Tick(
                    schedule.id,
                    due.at,
                    now,
                    "submitted",
                    missed=due.missed,
                    by_hand=operation is not None,
                    node=self._node,
                )
                is_news = False
                if isinstance(found, _Bad):
                    problem = storable(found.problem, _LONGEST_PROBLEM)
                    tick = replace(tick, outcome=found.outcome, problem=problem)
                    is_news = found.lasting and schedules.note_problem(transaction, schedule.id, problem, now)
                else:
                    tick = self._submit(transaction, schedule, tick, found)
                ticks.record(transaction, tick)
                if operation is not None and tick.outcome == "submitted":
                    _note(operation, transaction, tick)
        except QueueFullError as error:  # what it brings has no room; the tick is recorded by itself
            refused = _Bad("refused", error.message)
            return self._record(schedule, due, refused, after=after, is_last=is_last, operation=operation)
        tell_planner(self._database, tick.accepted)
        return [Fired(schedule, tick, is_news)]

    def _submit(self, transaction: Transaction, schedule: Schedule, tick: Tick, intake: Intake) -> Tick:
        def unseen(rows: list[NewTask]) -> list[NewTask]:
            return ticks.keep_unseen(transaction, schedule.id, rows)

        reading = intake.reading
        name = f"{schedule.name} {shown(tick.tick_at, schedule.zone)}"
        written = write_batch(
            transaction,
            intake.prepared,
            name=name[-_LONGEST_BATCH_NAME:],
            on_duplicate="allow" if schedule.overlap == "allow" else "skip",
            keep=unseen if intake.only_new else None,
        )
        schedules.note_good(
            transaction,
            schedule.id,
            entries=None if reading.unchanged else intake.prepared.acceptable,
            etag=reading.etag if intake.only_new else None,
            last_modified=reading.last_modified if intake.only_new else None,
        )
        complaint = intake.complaint
        return replace(
            tick,
            accepted=written.accepted,
            duplicates=written.duplicates,
            known=(schedule.good_entries or 0) if reading.unchanged else written.known,
            invalid=intake.prepared.invalid,
            batch_id=written.batch,
            problem=None if complaint is None else storable(complaint, _LONGEST_PROBLEM),
        )


def _free_moment(transaction: Transaction, schedule: int, at: int) -> int:
    """Return the first moment from ``at`` on at which a tick by hand takes the place of no other.

    Planned ticks are at whole minutes.
    """
    while at % _MINUTE_MS == 0 or ticks.happened(transaction, schedule, at):
        at += 1
    return at


def _note(operation: Operation, transaction: Transaction, tick: Tick) -> None:
    batch = tick.batch_id
    operation.note(
        transaction,
        tick.accepted,
        after={"batch": None if batch is None else batch_name(batch)},
        kept=None if batch is None else {"batch": batch},
    )


def _bad(error: QueuectlError) -> _Bad:
    """Return what an error says of a source; one of the database or of this machine says nothing of it and goes on.

    Raises:
        QueuectlError: it is one of these.
    """
    if isinstance(error, DatabaseUnreachableError | StorageError) or is_shortage(error):
        raise error
    is_refusal = isinstance(error, BadInputFileError | InvalidInputError | RefusedError)
    return _Bad("refused" if is_refusal else "failed", error.message)
