"""The application: all routes, each behind the gate and under the name of who asked."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Router
from starlette.routing import Route as PathRoute

from queuectl.errors import InvalidInputError
from queuectl.operations.auditing import acting_as
from queuectl_daemon.web import health
from queuectl_daemon.web.desk import Desk
from queuectl_daemon.web.gate import App, Gate, Receive, Scope, Send
from queuectl_daemon.web.identity import Identity, Logins
from queuectl_daemon.web.problems import DOCUMENT_VERSION, Problem, json_response
from queuectl_daemon.web.routes import Call, Route, check_text, read_body, read_form, read_query

logger = logging.getLogger("queuectl.web")

_NOBODY = Identity("nobody", health.OPEN_ROLE)


class Application:
    """Finds the route of a request and answers by it."""

    def __init__(self, desk: Desk, routes: Iterable[Route]) -> None:
        self.routes = tuple(routes)
        self._desk = desk
        by_path: dict[str, dict[str, Route]] = {}
        for route in self.routes:
            by_path.setdefault(route.pattern, {})[route.method] = route
        self._router = Router(
            [PathRoute(path, _Endpoint(desk, methods)) for path, methods in by_path.items()],
            redirect_slashes=False,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        for route in self._router.routes:
            match, child = route.matches(scope)
            if match is not Match.NONE:
                scope.update(child)
                await route.handle(scope, receive, send)
                return
        raise Problem(404, "no_such_address", "there is nothing at this address")


class _Endpoint:
    """One path, with a route for each method that it knows."""

    def __init__(self, desk: Desk, methods: dict[str, Route]) -> None:
        self._desk = desk
        self._methods = methods

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        method = "GET" if request.method == "HEAD" else request.method
        route = self._methods.get(method)
        if route is None:
            allowed = ", ".join(sorted({*self._methods, *({"HEAD"} if "GET" in self._methods else set())}))
            raise Problem(
                405,
                "method_not_allowed",
                f"{request.method[:20]} is not possible here",
                hint=f"possible is {allowed}",
                headers={"allow": allowed},
            )
        response = await self._answered(route, request)
        await response(scope, receive, send)

    async def _answered(self, route: Route, request: Request) -> Response:
        for value in request.path_params.values():
            check_text(value)
        identity = scope_identity(request)
        draft = Call(self._desk, request, identity, request.path_params, None, None)
        draft.need(route.role)
        query = read_query(request, route.query) if not route.form else None
        content, body = b"", None
        if route.method != "GET":
            content = await request.body()
            body = self._body(route, request, content)
        call = Call(self._desk, request, identity, request.path_params, query, body, content)
        if route.streams:
            streamed: Response = await route.answer(call)
            return streamed
        found = await self._desk.workers.call(_under_name, route, call)
        if isinstance(found, Response):
            return found
        return json_response({"version": DOCUMENT_VERSION, **found}, route.status)

    @staticmethod
    def _body(route: Route, request: Request, content: bytes) -> Any:
        if not route.form:
            return read_body(request, content, route.body)
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/x-www-form-urlencoded":
            raise InvalidInputError("this takes the fields of a form")
        return read_form(content)


def _under_name(route: Route, call: Call) -> Any:
    with acting_as(call.identity.name, call.address):
        return route.answer(call)


def scope_identity(request: Request) -> Identity:
    """Return who asks; behind the gate that is known for everything but what is open to all."""
    found: Identity = request.scope["state"].get("identity", _NOBODY)
    return found


def application(desk: Desk, logins: Logins, own_names: Iterable[str]) -> tuple[App, Gate, tuple[Route, ...]]:
    """Return the application behind its gate, the gate, and all routes."""
    routes = all_routes()
    gate = Gate(Application(desk, routes), desk.settings, logins, own_names=own_names)
    return gate, gate, routes


def all_routes() -> tuple[Route, ...]:
    """Return every route of the page and of the interface."""
    from queuectl_daemon.web import api, pages, scrape

    return (*health.ROUTES, *scrape.ROUTES, *api.ROUTES, *pages.ROUTES)
