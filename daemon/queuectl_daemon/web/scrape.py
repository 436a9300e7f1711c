"""``/metrics``: what Prometheus asks for, with a password or a token like all that tells something."""

from __future__ import annotations

from starlette.responses import Response

from queuectl.domain.web_access import Role
from queuectl_daemon.web.routes import Call, Route


def metrics(call: Call) -> Response:
    """Give all metrics of this daemon."""
    found = call.desk.metrics
    return Response(found.exposition(), headers={"content-type": found.content_type})


ROUTES = (Route("GET", "/metrics", Role.READ, metrics, "The metrics, for Prometheus", tag="health"),)
"""The route."""
