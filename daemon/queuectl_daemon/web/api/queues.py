"""Queues: show, limit, pause, resume and clear them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct, structs

from queuectl.domain.priority import queue_named
from queuectl.domain.queue_limits import LIMITS
from queuectl.domain.status import QueueStatus
from queuectl.domain.web_access import Role
from queuectl.errors import InvalidInputError
from queuectl.shapes.status import changes_shape, queue_shape
from queuectl_daemon.web.api import forms
from queuectl_daemon.web.api.common import confirmed
from queuectl_daemon.web.routes import Call, Route


class SetLimits(Struct, forbid_unknown_fields=True, kw_only=True):
    """Limits of a queue as people write them; ``none`` removes one, and what is left out stays."""

    max_size: int | str | None = None
    rate_limit: str | None = None
    concurrency: int | str | None = None
    host_gap: float | str | None = None
    host_concurrency: int | str | None = None
    task_timeout: float | str | None = None
    memory_limit: int | str | None = None
    max_retries: int | str | None = None
    retry_backoff: float | str | None = None


def list_queues(call: Call) -> Mapping[str, Any]:
    """Return the queues in the order in which they are served."""
    return {"queues": [queue_shape(each) for each in call.desk.monitor.get_realtime_status().queues]}


def show_queue(call: Call) -> Mapping[str, Any]:
    """Return one queue."""
    return queue_shape(_queue(call))


def set_limits(call: Call) -> Mapping[str, Any]:
    """Change limits of a queue."""
    name = queue_named(call.path["name"])
    given = {key: value for key, value in structs.asdict(call.body).items() if value is not None}
    if not given:
        raise InvalidInputError("no limit is given", hint=f"the limits are {', '.join(LIMITS)}")
    changes = call.desk.manager.update_queue_config(name, given)
    undo = f"queuectl queue set {name} {' '.join(f'{each.key}={each.before}' for each in changes)}"
    return changes_shape(name, changes, undo)


def pause(call: Call) -> Mapping[str, Any]:
    """Start no more tasks of a queue."""
    name = queue_named(call.path["name"])
    return {"queue": name, "paused": True, "changed": call.desk.manager.pause_queue(name)}


def resume(call: Call) -> Mapping[str, Any]:
    """Start tasks of a queue again."""
    name = queue_named(call.path["name"])
    return {"queue": name, "paused": False, "changed": call.desk.manager.resume_queue(name)}


def clear(call: Call) -> Mapping[str, Any]:
    """Cancel everything that waits in a queue."""
    asked: forms.Clear = call.body
    name = queue_named(call.path["name"])
    waiting = call.desk.manager.count_waiting(name)
    cancelled = 0
    if not asked.dry_run:
        confirmed(waiting, asked.confirm, "waiting tasks")
        cancelled = call.desk.manager.clear_queue(name)
    return {"queue": name, "waiting": waiting, "cancelled": cancelled, "dry_run": asked.dry_run}


def _queue(call: Call) -> QueueStatus:
    name = queue_named(call.path["name"])
    return next(each for each in call.desk.monitor.get_realtime_status().queues if each.name == name)


_QUEUE = "/queues/{name}"

ROUTES = (
    Route("GET", "/queues", Role.READ, list_queues, "List the queues"),
    Route("GET", _QUEUE, Role.READ, show_queue, "Show a queue"),
    Route("PATCH", _QUEUE, Role.ADMIN, set_limits, "Set limits of a queue", body=SetLimits),
    Route("POST", f"{_QUEUE}/pause", Role.OPERATE, pause, "Pause a queue"),
    Route("POST", f"{_QUEUE}/resume", Role.OPERATE, resume, "Resume a queue"),
    Route("POST", f"{_QUEUE}/clear", Role.ADMIN, clear, "Cancel all that waits in a queue", body=forms.Clear),
)
