"""The dashboard, and the stream by which its parts follow what happens."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec
from starlette.responses import Response, StreamingResponse

from queuectl.clock import now_ms
from queuectl.domain.event import Event
from queuectl.domain.lifecycle import MOVES, State
from queuectl.domain.statistics import Step
from queuectl.domain.status import RealtimeStatus
from queuectl.domain.web_access import Role
from queuectl.errors import QueuectlError
from queuectl_daemon.web.desk import Desk
from queuectl_daemon.web.live import Moment, with_heartbeats
from queuectl_daemon.web.pages.page import Reader, Show, page, reader_of, rendered
from queuectl_daemon.web.problems import encoded
from queuectl_daemon.web.routes import Call, Route
from queuectl_daemon.web.work import BusyError

PARTS = ("alerts", "tiles", "hour", "chart", "queues", "running", "recent")
HEARTBEAT_SECONDS = 5.0
_MINUTE_MS = 60_000
_MINUTES = 60
_RUNNING = 12


class Noted(msgspec.Struct, forbid_unknown_fields=True):
    """The name of what the page says once."""

    note: str | None = None


class Parts(msgspec.Struct, forbid_unknown_fields=True):
    """Which parts of pages are to be followed, with commas between."""

    parts: str = ""


@dataclass(frozen=True, slots=True)
class Totals:
    """The tasks of all queues together."""

    running: int
    waiting: int
    scheduled: int


def dashboard(call: Call) -> Response:
    """Return the dashboard."""
    desk, reader = call.desk, reader_of(call.request, call.zone)
    status = desk.monitor.get_realtime_status()
    context = _context(reader, status)
    return page(
        call,
        "dashboard.html",
        **context,
        running=desk.monitor.running(_RUNNING),
        recent=desk.monitor.recent_ends(_RUNNING),
        samples=desk.live.samples,
        hour=desk.hour.now(lambda: last_hour(desk)),
    )


def _context(reader: Reader, status: RealtimeStatus) -> dict[str, Any]:
    totals = Totals(
        sum(queue.running for queue in status.queues),
        sum(queue.waiting for queue in status.queues),
        sum(queue.scheduled for queue in status.queues),
    )
    workers = sum(node.workers for node in status.nodes if node.alive)
    return {"status": status, "totals": totals, "workers": workers, "alerts": alerts(reader, status)}


def alerts(reader: Reader, status: RealtimeStatus) -> list[tuple[str, str, str]]:
    """Return what needs a person: the kind of news, a sentence, and where to look."""
    t, show = reader.words, Show(reader)
    found: list[tuple[str, str, str]] = []
    alive = [node for node in status.nodes if node.alive]
    if not alive:
        found.append(("bad", t("dashboard.no_daemon"), "/health"))
    if role := status.missing_role:
        kind = "bad" if role == "worker" else "careful"
        found.append((kind, t(f"dashboard.no_{role}"), "/health"))
    found += [
        ("careful", t("dashboard.transport_down", node=node.id), "/health")
        for node in alive
        if not node.transport_up
    ]
    found += [
        (
            "careful",
            t("dashboard.schedule_problem", name=show.text(each.name), problem=show.text(each.problem)),
            "/schedules",
        )
        for each in status.schedule_problems
    ]
    found += [
        (
            "careful",
            t("dashboard.paused_queue", queue=show.queue(queue.name), n=queue.waiting),
            f"/queues/{queue.name}",
        )
        for queue in status.queues
        if queue.paused and queue.waiting
    ]
    if status.dead_letters:
        found.append(("careful", t("dashboard.dead_letters", n=status.dead_letters), "/dead"))
    return found


def last_hour(desk: Desk) -> list[list[tuple[str, float]]]:
    """Return the runs that ended in each minute of the last hour: succeeded, to be repeated, and dead."""
    now = now_ms()
    start = now // _MINUTE_MS * _MINUTE_MS - (_MINUTES - 1) * _MINUTE_MS
    try:
        found = desk.monitor.get_statistics(start, now + 1, step=Step.MINUTE)
    except QueuectlError:
        return []
    bars: list[list[tuple[str, float]]] = [[] for _ in range(_MINUTES)]
    for row in found.rows:
        place = (row.start - start) // _MINUTE_MS
        if 0 <= place < _MINUTES:
            counts = row.counts
            bars[place] = [
                ("succeeded", counts.succeeded), ("retrying", counts.retried), ("dead", counts.dead),
            ]  # fmt: skip
    return bars


async def live(call: Call) -> Response:
    """Send the parts that a page asks for whenever they have changed."""
    call.desk.live.check_room()
    wanted = tuple(part for part in PARTS if part in call.query.parts.split(","))
    reader = reader_of(call.request, call.zone)
    return StreamingResponse(
        with_heartbeats(_changes(call.desk, reader, wanted, call), HEARTBEAT_SECONDS),
        media_type="text/event-stream",
        headers={"x-accel-buffering": "no"},
    )


async def _changes(desk: Desk, reader: Reader, wanted: Sequence[str], call: Call) -> AsyncIterator[bytes]:
    yield b"retry: 3000\n\n"
    sent: dict[str, str] = {}
    may_operate = call.identity.role >= Role.OPERATE
    said: str | None = None
    async for moment in desk.live.moments():
        parts: Mapping[str, str] = {}
        if wanted and moment.status is not None:
            draw = partial(_drawn, desk, reader, moment, moment.status, may_operate=may_operate)
            with contextlib.suppress(BusyError):  # the next moment will do
                parts = await desk.live.once(moment, (reader.language, reader.zone, may_operate), draw)
        changed = {name: parts[name] for name in wanted if name in parts and sent.get(name) != parts[name]}
        sent |= changed
        states = _states(reader, moment.events)
        trouble = reader.words("dashboard.database_away") if moment.trouble else None
        if changed or states or trouble != said:
            content = {"parts": changed, "tasks": states, "trouble": trouble}
            yield b"data: " + encoded(content) + b"\n\n"
        said = trouble


def _drawn(
    desk: Desk, reader: Reader, moment: Moment, status: RealtimeStatus, *, may_operate: bool
) -> dict[str, str]:
    """Return all parts as they are at a moment, so that streams share them whichever they follow."""
    context = _context(reader, status) | {
        "running": moment.running,
        "recent": moment.recent,
        "samples": moment.samples,
        "hour": desk.hour.now(lambda: last_hour(desk)),
        "may": lambda _: may_operate,
    }
    return {name: rendered(reader, f"parts/{name}.html", **context) for name in PARTS}


def _states(reader: Reader, events: Sequence[Event]) -> dict[str, tuple[str, str]]:
    """Return the state that each task that something happened to is in now, with its word."""
    found: dict[str, tuple[str, str]] = {}
    for event in events:
        state = _AFTER.get(event.kind)
        if state is not None:
            found[str(event.task)] = (state, reader.words(f"state.{state}"))
    return found


_AFTER = {move.value: next(iter(targets)).value for move, (_, targets) in MOVES.items() if len(targets) == 1}
_AFTER["start"] = State.RUNNING.value

ROUTES = (
    Route("GET", "/", Role.READ, dashboard, "The dashboard", query=Noted),
    Route("GET", "/live", Role.READ, live, "What happens, for open pages", query=Parts, streams=True),
)
