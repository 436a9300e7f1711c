"""Changes to schedules inside a transaction, for the verbs that make them and for those that undo them."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from queuectl.clock import now_ms
from queuectl.domain.catch_up import following
from queuectl.domain.cron import parse
from queuectl.domain.schedule import NewSchedule, Schedule
from queuectl.domain.targets import public_address
from queuectl.operations.auditing import Operation
from queuectl.operations.schedule_plan import named_zone
from queuectl.store import schedules, ticks
from queuectl.store.database import Transaction

_SAID = ("cron", "zone", "priority_score", "handler", "only_new", "catch_up", "overlap")


def set_paused(transaction: Transaction, schedule: Schedule, *, paused: bool) -> bool:
    """Pause a schedule, or let it go on at its next tick; return whether that changed anything."""
    if paused:
        return schedules.set_paused(transaction, schedule.id, paused=True)
    now = now_ms()
    newest = ticks.latest(transaction, schedule.id, 1)
    # A tick that has been must not come again, should a clock have been put back meanwhile.
    last = max([now, *(tick.tick_at for tick in newest if not tick.by_hand)])
    after = following(parse(schedule.cron), named_zone(schedule.zone), last=last, now=now)
    return schedules.set_paused(transaction, schedule.id, paused=False, next_tick_at=after)


def remove(transaction: Transaction, operation: Operation, schedule: Schedule) -> None:
    """Take a schedule away, and keep it with its ticks for as long as that can be undone."""
    if schedules.remove(transaction, schedule.id):
        operation.note(transaction, before=public_words(schedule), kept={"removed": asdict(schedule)})
        if not operation.keeps:
            schedules.forget(transaction, schedule.id)


def put_back(transaction: Transaction, operation: Operation, kept: dict[str, Any]) -> None:
    """Store a schedule again that was taken away; it goes on at its next tick.

    Raises:
        ScheduleExistsError: there is one of that name.
    """
    schedule = Schedule(**kept)
    schedules.put_back(transaction, schedule)
    if not schedule.paused:
        schedules.set_paused(transaction, schedule.id, paused=True)
        set_paused(transaction, schedule, paused=False)
    operation.note(transaction, after=public_words(schedule), kept={"added": schedule.id})


def public_words(schedule: NewSchedule | Schedule) -> dict[str, Any]:
    """Return what the audit says of a schedule: nothing that may be secret."""
    return {"source": public_address(schedule.source)} | {name: getattr(schedule, name) for name in _SAID}
