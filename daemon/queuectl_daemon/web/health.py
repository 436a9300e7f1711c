"""``/healthz`` and ``/readyz``: open to everybody, and silent about everything but yes and no."""

from __future__ import annotations

from starlette.responses import PlainTextResponse, Response

from queuectl.domain.web_access import Role
from queuectl.errors import QueuectlError
from queuectl_daemon.web.routes import Call, Route

OPEN_ROLE = Role.READ
"""Whoever is not asked for a name may read what is open."""


async def alive(call: Call) -> Response:
    """Say that the process answers."""
    del call
    return PlainTextResponse("ok\n")


def ready(call: Call) -> Response:
    """Say whether the database answers and, where there is Redis, a daemon reaches it."""
    problem = call.desk.readiness.now(lambda: _problem(call))
    return PlainTextResponse(f"{problem or 'ok'}\n", 503 if problem else 200)


def _problem(call: Call) -> str:
    try:
        status = call.desk.monitor.get_realtime_status()
    except QueuectlError:
        return "the database does not answer"
    nodes = [node for node in status.nodes if node.alive]
    if nodes and not any(node.transport_up for node in nodes):
        return "the transport does not answer"
    return ""


ROUTES = (
    Route("GET", "/healthz", OPEN_ROLE, alive, "Whether the process answers", streams=True, tag="health"),
    Route("GET", "/readyz", OPEN_ROLE, ready, "Whether database and transport answer", tag="health"),
)
