"""Schedules and their ticks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from queuectl.domain.priority import level_of_score
from queuectl.domain.schedule import Schedule, Tick
from queuectl.domain.task import batch_name
from queuectl.domain.ticks import PlannedTick
from queuectl.times import iso

_TIMES = ("created_at", "next_tick_at", "problem_since")


_OWN_AFFAIRS = ("id", "etag", "last_modified")


def schedule_shape(
    schedule: Schedule,
    *,
    last: Tick | None = None,
    ticks: Sequence[Tick] | None = None,
    coming: Sequence[PlannedTick] | None = None,
) -> dict[str, Any]:
    """Return a schedule; its last tick, or its last and next ticks, where they are given."""
    shape = {name: value for name, value in asdict(schedule).items() if name not in _OWN_AFFAIRS}
    shape |= {name: iso(shape[name]) for name in _TIMES}
    shape["queue"] = level_of_score(schedule.priority_score).queue
    if ticks is not None:
        shape["ticks"] = [tick_shape(each) for each in ticks]
    elif coming is None:
        shape["last_tick"] = None if last is None else tick_shape(last)
    if coming is not None:
        shape["next_ticks"] = [planned_shape(each) for each in coming]
    return shape


def tick_shape(tick: Tick) -> dict[str, Any]:
    """Return a tick."""
    shape = asdict(tick) | {"tick_at": iso(tick.tick_at), "fired_at": iso(tick.fired_at)}
    shape["batch_id"] = None if tick.batch_id is None else batch_name(tick.batch_id)
    del shape["schedule_id"]
    return shape


def planned_shape(tick: PlannedTick) -> dict[str, Any]:
    """Return a tick that is to come."""
    return {"at": iso(tick.at), "change": tick.change, "note": tick.note}
