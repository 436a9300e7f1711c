"""The pages of schedules."""

from __future__ import annotations

from starlette.responses import Response

from queuectl.domain.web_access import Role
from queuectl_daemon.web.pages.dashboard import Noted
from queuectl_daemon.web.pages.page import page
from queuectl_daemon.web.routes import Call, Route

_TICKS = 20
_COMING = 10


def list_schedules(call: Call) -> Response:
    """Return the page of all schedules."""
    scheduler = call.desk.scheduler
    return page(call, "schedules.html", schedules=scheduler.list_schedules(), last=scheduler.last_ticks())


def show_schedule(call: Call) -> Response:
    """Return the page of one schedule."""
    scheduler = call.desk.scheduler
    schedule = scheduler.get_schedule(call.path["name"])
    return page(
        call,
        "schedule.html",
        schedule=schedule,
        coming=[] if schedule.paused else scheduler.preview(schedule.name, _COMING),
        ticks=scheduler.get_ticks(schedule.name, _TICKS),
    )


ROUTES = (
    Route("GET", "/schedules", Role.READ, list_schedules, "Schedules", query=Noted),
    Route("GET", "/schedules/{name}", Role.READ, show_schedule, "One schedule", query=Noted, deep=True),
)
