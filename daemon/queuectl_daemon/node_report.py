"""How a node describes itself to all that look at the database."""

from __future__ import annotations

import json
import os
import socket

from queuectl import __version__
from queuectl.handlers import registry
from queuectl.settings import Settings
from queuectl.store.nodes import NodeReport
from queuectl_daemon.capacity import Capacity
from queuectl_daemon.flights import Flights
from queuectl_daemon.runner import Runner
from queuectl_daemon.transport import RedisTransport


def node_report(
    node: str,
    settings: Settings,
    *,
    started_at: int,
    flights: Flights,
    capacity: Capacity,
    runner: Runner,
    transport: RedisTransport | None,
    per_minute: float,
) -> NodeReport:
    """Describe the daemon of this process as it is now; ``started_at`` is in UTC milliseconds."""
    running = flights.running()
    said = {
        flight.work.id: (flight.fraction, flight.note) for flight in running if flight.fraction is not None
    }
    return NodeReport(
        id=node,
        host=socket.gethostname(),
        pid=os.getpid(),
        version=__version__,
        started_at=started_at,
        workers=capacity.workers,
        running=len(running),
        transport=transport_name(transport),
        transport_up=int(transport is None or transport.up),
        per_minute=per_minute,
        progress=json.dumps(said),
        handlers=json.dumps(registry.names(settings)),
        kinds=json.dumps(runner.kinds()),
        held_back=json.dumps(capacity.held_back),
        role=settings.role,
        caps=json.dumps(settings.caps_of_kinds),
    )


def transport_name(transport: RedisTransport | None) -> str:
    """Return what people call the way of the messages."""
    return "in-process" if transport is None else "redis"
