"""The page for what went wrong."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from queuectl_daemon.web.pages.page import asset, reader_of, rendered
from queuectl_daemon.web.problems import Problem


def problem_page(request: Request, problem: Problem) -> Response:
    """Return a problem for a person."""
    text = rendered(reader_of(request, "UTC"), "problem.html", problem=problem, asset=asset)
    return Response(text, problem.status, problem.headers, media_type="text/html; charset=utf-8")
