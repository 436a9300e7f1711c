"""The page for what went wrong."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from queuectl_daemon.web.problems import Problem


def problem_page(request: Request, problem: Problem) -> Response:
    """Return a problem for a person."""
    del request
    return PlainTextResponse(f"{problem.message}\n{problem.hint or ''}\n", problem.status, problem.headers)
