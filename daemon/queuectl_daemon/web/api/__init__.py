"""The HTTP interface below ``/api/v1``: the same verbs, selectors and shapes as on the command line."""

from __future__ import annotations

from dataclasses import replace

from queuectl_daemon.web.api import (
    batches,
    dead_letters,
    deliveries,
    description,
    queues,
    schedules,
    system,
    tasks,
)
from queuectl_daemon.web.routes import Route

PREFIX = "/api/v1"

_PARTS = {
    "tasks": tasks.ROUTES,
    "batches": batches.ROUTES,
    "queues": queues.ROUTES,
    "schedules": schedules.ROUTES,
    "dead letters": dead_letters.ROUTES,
    "deliveries": deliveries.ROUTES,
    "system": system.ROUTES,
}

_DESCRIBED: tuple[Route, ...] = tuple(
    replace(route, path=f"{PREFIX}{route.path}", tag=tag)
    for tag, routes in _PARTS.items()
    for route in routes
)

ROUTES: tuple[Route, ...] = (*_DESCRIBED, description.route_for(_DESCRIBED, f"{PREFIX}/openapi.json"))
