"""The system as a whole: its status, what happens, what people did, and what would be if."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from enum import StrEnum
from typing import Any, TypeVar

import msgspec
from starlette.responses import Response, StreamingResponse

from queuectl.clock import now_ms
from queuectl.domain.audit import may_be_number
from queuectl.domain.event import Event
from queuectl.domain.priority import queue_named
from queuectl.domain.statistics import Step, Subject
from queuectl.domain.task import task_number
from queuectl.domain.web_access import Role
from queuectl.errors import InvalidInputError
from queuectl.operations.forecast import WhatIf
from queuectl.operations.selectors import moment_in_past
from queuectl.shapes.audit import line_shape, operation_shape, plan_shape, result_shape, verification_shape
from queuectl.shapes.forecasts import simulation_shape
from queuectl.shapes.health import health_shape
from queuectl.shapes.statistics import statistics_shape
from queuectl.shapes.status import status_shape
from queuectl.shapes.tasks import event_shape
from queuectl.store.audit import AuditSelection
from queuectl_daemon.web.api import forms
from queuectl_daemon.web.api.common import in_time
from queuectl_daemon.web.live import with_heartbeats
from queuectl_daemon.web.problems import encoded, reason_of
from queuectl_daemon.web.reports import ReportWanted, report_response
from queuectl_daemon.web.routes import Call, Route

_RUNNING = 20
_DAY_MS = 86_400_000

E = TypeVar("E", bound=StrEnum)
HEARTBEAT_SECONDS = 5.0


def status(call: Call) -> Mapping[str, Any]:
    """Return queues, daemons and running tasks."""
    found = call.desk.monitor.get_realtime_status()
    monitor = call.desk.monitor
    return status_shape(found, monitor.running(_RUNNING), [], monitor.get_health(found))


def events(call: Call) -> Mapping[str, Any]:
    """Return the last events."""
    asked: forms.Events = call.query
    since = moment_in_past(call.zone, asked.since)
    selection = msgspec.structs.replace(asked, since=None).selectors().selection(call.zone)
    found = call.desk.monitor.get_events(selection, asked.limit, since)
    return {"events": [event_shape(each) for each in found]}


async def follow(call: Call) -> Response:
    """Tell events as they happen, as server-sent events, until the client leaves."""
    asked: forms.Follow = call.query
    tasks = {task_number(each) for each in asked.id or ()}
    queues = {queue_named(each) for each in asked.queue or ()}
    call.desk.live.check_room()
    moments = call.desk.live.moments()

    def is_wanted(event: Event) -> bool:
        return (not tasks or event.task in tasks) and (not queues or event.queue in queues)

    async def told() -> AsyncIterator[bytes]:
        is_first = True
        async for moment in moments:
            if is_first:
                yield b": following\n\n"  # what happens from now on is told
                is_first = False
            if moment.left_out != 0:
                yield b"event: gap\ndata: " + encoded({"left_out": moment.left_out}) + b"\n\n"
            for event in moment.events:
                if is_wanted(event):
                    yield b"event: task\ndata: " + encoded(event_shape(event)) + b"\n\n"

    return StreamingResponse(with_heartbeats(told(), HEARTBEAT_SECONDS), media_type="text/event-stream")


def audit_list(call: Call) -> Mapping[str, Any]:
    """Return what people did, the newest first."""
    asked: forms.AuditList = call.query
    wanted = AuditSelection(
        since=moment_in_past(call.zone, asked.since),
        until=moment_in_past(call.zone, asked.until),
        who=asked.who,
        verb=asked.verb,
    )
    return {"operations": [operation_shape(each) for each in call.desk.audit.operations(wanted, asked.limit)]}


def audit_show(call: Call) -> Mapping[str, Any]:
    """Return one operation with its lines."""
    summary, lines = call.desk.audit.operation(operation_number(call.path["number"]))
    return operation_shape(summary) | {"groups": [line_shape(each) for each in lines]}


def audit_verify(call: Call) -> Mapping[str, Any]:
    """Read the whole record, and look for what was changed."""
    return verification_shape(call.desk.audit.verify(call.query.anchor))


def undo(call: Call) -> Mapping[str, Any]:
    """Put back what an operation has changed."""
    number = operation_number(call.path["number"])
    plan = call.desk.manager.undo_plan(number)
    if call.body.dry_run:
        return plan_shape(plan)
    result = call.desk.manager.undo(number, should_stop=in_time(call))
    return result_shape(result) | {"reason": reason_of(result.reason)}


def undoable(call: Call) -> Mapping[str, Any]:
    """Return the operations that can still be undone."""
    return {
        "operations": [
            operation_shape(each) for each in call.desk.manager.undoable_operations(call.query.limit)
        ]
    }


def simulate(call: Call) -> Mapping[str, Any]:
    """Return when the queues will be done, also with a change; nothing is changed."""
    asked: forms.Simulate = call.body
    what_if = WhatIf(
        workers=asked.workers,
        rate_limits=asked.rate_limits,
        concurrency=asked.concurrency,
        add=asked.add,
        priority=asked.priority,
        duration_ms=asked.duration_ms,
    )
    return simulation_shape(call.desk.monitor.simulate(what_if))


def operation_number(text: str) -> int:
    """Return the number of an operation.

    Raises:
        InvalidInputError: it is none.
    """
    if not (text.isascii() and text.isdigit()) or len(text) > 18 or not may_be_number(int(text)):
        raise InvalidInputError(f"{text[:40]!r} is no number of an operation")
    return int(text)


def health(call: Call) -> Mapping[str, Any]:
    """Return the score and what takes points away."""
    return health_shape(call.desk.monitor.get_health())


def statistics(call: Call) -> Mapping[str, Any]:
    """Return what happened in a period, in steps."""
    asked: forms.StatisticsWanted = call.query
    now = now_ms()
    since, until = moment_in_past(call.zone, asked.since), moment_in_past(call.zone, asked.until)
    start = now - _DAY_MS if since is None else since
    end = now + 1 if until is None else until
    found = call.desk.monitor.get_statistics(
        start, end, step=_word(asked.step, Step), by=_word(asked.by, Subject)
    )
    return statistics_shape(found)


def _word(text: str | None, kind: type[E]) -> E | None:
    if text is None:
        return None
    try:
        return kind(text)
    except ValueError:
        raise InvalidInputError(
            f"there is no {text[:40]!r} here", hint=f"choose one of {', '.join(kind)}"
        ) from None


ROUTES = (
    Route("GET", "/status", Role.READ, status, "Show queues, daemons and running tasks"),
    Route("GET", "/health", Role.READ, health, "Show the health as a score"),
    Route("GET", "/statistics", Role.READ, statistics, "What happened", query=forms.StatisticsWanted),
    Route("GET", "/report", Role.READ, report_response, "Make a report", query=ReportWanted, file=True),
    Route("GET", "/events", Role.READ, events, "Show the last events", query=forms.Events),
    Route(
        "GET",
        "/events/stream",
        Role.READ,
        follow,
        "Follow events (server-sent)",
        query=forms.Follow,
        streams=True,
    ),
    Route("GET", "/audit", Role.READ, audit_list, "List what people did", query=forms.AuditList),
    Route("GET", "/audit/verify", Role.READ, audit_verify, "Examine the audit", query=forms.Verify),
    Route("GET", "/audit/{number}", Role.READ, audit_show, "Show an operation"),
    Route("GET", "/undo", Role.READ, undoable, "List what can be undone", query=forms.Limited),
    Route("POST", "/undo/{number}", Role.ADMIN, undo, "Undo an operation", body=forms.Undo),
    Route("POST", "/simulate", Role.READ, simulate, "Say when queues will be done", body=forms.Simulate),
)
