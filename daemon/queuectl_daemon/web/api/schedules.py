"""Schedules: add, show, pause, resume, run and remove them, see their next ticks, and spread tasks over a window."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

from queuectl.domain.lifecycle import Move, sources
from queuectl.domain.schedule import CatchUp, Overlap
from queuectl.domain.web_access import Role
from queuectl.errors import NoPlanError
from queuectl.operations import schedule_plan
from queuectl.shapes.forecasts import no_plan_shape, optimisation_shape
from queuectl.shapes.schedules import planned_shape, schedule_shape, tick_shape
from queuectl_daemon.web.api import forms
from queuectl_daemon.web.api.common import confirmed, moment
from queuectl_daemon.web.api.tasks import matching
from queuectl_daemon.web.problems import Problem
from queuectl_daemon.web.routes import Call, Route

_SHOWN_TICKS = 10
_NEXT_TICKS = 3


def list_schedules(call: Call) -> Mapping[str, Any]:
    """Return the schedules with their last ticks."""
    last = call.desk.scheduler.last_ticks()
    found = call.desk.scheduler.list_schedules()
    return {"schedules": [schedule_shape(each, last=last.get(each.id)) for each in found]}


def show_schedule(call: Call) -> Mapping[str, Any]:
    """Return one schedule with its last and next ticks."""
    scheduler, name = call.desk.scheduler, call.path["name"]
    schedule = scheduler.get_schedule(name)
    coming = [] if schedule.paused else scheduler.preview(name, _NEXT_TICKS)
    return schedule_shape(schedule, ticks=scheduler.get_ticks(name, _SHOWN_TICKS), coming=coming)


def add_schedule(call: Call) -> Mapping[str, Any]:
    """Add a schedule; its source is not read yet."""
    asked: forms.AddSchedule = call.body
    scheduler = call.desk.scheduler
    name = scheduler.schedule_recurring(
        asked.source,
        asked.cron,
        asked.priority,
        name=asked.name,
        zone=asked.zone,
        catch_up=cast(CatchUp, asked.catch_up),
        only_new=asked.only_new,
        overlap=cast(Overlap, asked.overlap),
        handler=asked.handler,
        priority_score=asked.score,
        metadata=asked.metadata,
    )
    return schedule_shape(scheduler.get_schedule(name), coming=scheduler.preview(name, _NEXT_TICKS))


def remove_schedule(call: Call) -> Mapping[str, Any]:
    """Forget a schedule; its tasks stay."""
    call.desk.scheduler.remove(call.path["name"])
    return {"name": call.path["name"], "removed": True}


def pause(call: Call) -> Mapping[str, Any]:
    """Fire a schedule no more."""
    name = call.path["name"]
    return {"name": name, "paused": True, "changed": call.desk.scheduler.pause(name)}


def resume(call: Call) -> Mapping[str, Any]:
    """Go on with a schedule at its next tick."""
    name = call.path["name"]
    return {"name": name, "paused": False, "changed": call.desk.scheduler.resume(name)}


def run_now(call: Call) -> Mapping[str, Any]:
    """Submit what a schedule's source holds."""
    asked: forms.RunNow = call.body
    return tick_shape(call.desk.scheduler.run_now(call.path["name"], accept_shrunk=asked.accept_shrunk))


def next_ticks(call: Call) -> Mapping[str, Any]:
    """Return the next ticks of a schedule."""
    schedule = call.desk.scheduler.get_schedule(call.path["name"])
    ticks = call.desk.scheduler.preview(schedule.name, call.query.next)
    return {"cron": schedule.cron, "zone": schedule.zone, "ticks": [planned_shape(each) for each in ticks]}


def preview(call: Call) -> Mapping[str, Any]:
    """Return the ticks that an expression would have."""
    asked: forms.Preview = call.query
    zone = asked.zone or call.zone
    ticks = schedule_plan.preview(asked.cron, zone, asked.next)
    return {"cron": asked.cron, "zone": zone, "ticks": [planned_shape(each) for each in ticks]}


def optimize(call: Call) -> Mapping[str, Any]:
    """Spread tasks over a window."""
    asked: forms.Optimize = call.body
    selectors = asked.selectors(asked.limit or None, everything=asked.all)
    selection = selectors.narrow_selection(call.zone, "spread")
    if not asked.dry_run and not selection.only_names:
        confirmed(matching(call, selection, sources(Move.RESCHEDULE)), asked.confirm, "tasks")
    window = {
        "start": moment(call, asked.start),
        "end": moment(call, asked.end),
        "max_per_hour": asked.max_per_hour,
    }
    try:
        found = call.desk.scheduler.optimize_selection(selection, window, dry_run=asked.dry_run)
    except NoPlanError as error:
        raise Problem(409, "no_plan", error.message, hint=error.hint, facts=no_plan_shape(error)) from error
    return optimisation_shape(found)


_SCHEDULE = "/schedules/{name}"

ROUTES = (
    Route("GET", "/schedules", Role.READ, list_schedules, "List the schedules"),
    Route(
        "POST", "/schedules", Role.ADMIN, add_schedule, "Add a schedule", body=forms.AddSchedule, status=201
    ),
    Route("GET", "/ticks", Role.READ, preview, "Try a cron expression", query=forms.Preview),
    Route("POST", "/optimize", Role.OPERATE, optimize, "Spread tasks over a window", body=forms.Optimize),
    *(
        replace(route, deep=True)
        for route in (
            Route(
                "GET", f"{_SCHEDULE}/ticks", Role.READ, next_ticks, "Show the next ticks", query=forms.Next
            ),
            Route("POST", f"{_SCHEDULE}/pause", Role.OPERATE, pause, "Pause a schedule"),
            Route("POST", f"{_SCHEDULE}/resume", Role.OPERATE, resume, "Resume a schedule"),
            Route(
                "POST",
                f"{_SCHEDULE}/run-now",
                Role.OPERATE,
                run_now,
                "Fire a schedule now",
                body=forms.RunNow,
            ),
            # Last, because their path is the beginning of the others.
            Route("GET", _SCHEDULE, Role.READ, show_schedule, "Show a schedule"),
            Route("DELETE", _SCHEDULE, Role.ADMIN, remove_schedule, "Remove a schedule"),
        )
    ),
)
