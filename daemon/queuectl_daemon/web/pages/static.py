"""The files of the page itself, and the list of what the interface has."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path

import msgspec
from starlette.responses import Response

from queuectl.domain.web_access import Role
from queuectl_daemon.web.pages.dashboard import Noted
from queuectl_daemon.web.pages.page import page
from queuectl_daemon.web.problems import Problem
from queuectl_daemon.web.routes import Call, Route

_FOLDER = Path(__file__).parent.parent / "static"
_KINDS = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
_FILES = {
    file.name: (file.read_bytes(), _KINDS[file.suffix]) for file in _FOLDER.iterdir() if file.suffix in _KINDS
}


class Version(msgspec.Struct, forbid_unknown_fields=True):
    """What a file's address changes with."""

    v: str | None = None


async def file(call: Call) -> Response:
    """Return a file of the page; its address changes with it, so that a browser may keep it."""
    found = _FILES.get(call.path["name"])
    if found is None:
        raise Problem(404, "no_such_address", "there is nothing at this address")
    content, kind = found
    return Response(
        content, media_type=kind, headers={"cache-control": "public, max-age=31536000, immutable"}
    )


def interface(call: Call) -> Response:
    """Return the page about the interface."""
    from queuectl_daemon.web import api

    groups = [(tag, list(routes)) for tag, routes in groupby(api.ROUTES, lambda route: route.tag)]
    return page(call, "api.html", groups=groups, base=str(call.request.base_url))


ROUTES = (
    Route("GET", "/static/{name}", Role.READ, file, "A file of the page", query=Version, streams=True),
    Route("GET", "/api", Role.READ, interface, "About the interface", query=Noted),
)
