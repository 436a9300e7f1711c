"""The description of the interface in OpenAPI 3.1, made of its routes, so that it cannot say something else."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import msgspec

from queuectl import __version__
from queuectl.domain.web_access import Role
from queuectl.reports.forms import FORMS
from queuectl_daemon.web.routes import Call, Route

_NAMES = "#/components/schemas/{name}"
_ALWAYS = (400, 401, 403, 404, 414, 429, 503)
_REASONS = {
    400: "A parameter or field is not acceptable",
    401: "Nobody is logged in",
    403: "The role is too low, or the request seems to come from another site",
    404: "There is no such thing",
    409: "The request is understood and declined",
    413: "The content is too large",
    414: "The address is too long",
    415: "The content is not JSON",
    422: "A source cannot be used",
    429: "Too many wrong passwords",
    502: "A source cannot be read now",
    503: "The database does not answer, or too much is asked at once",
}


def route_for(routes: Sequence[Route], path: str) -> Route:
    """Return the route that gives out the description of these routes."""

    @cache
    def made() -> Mapping[str, Any]:
        return description(routes)

    def answer(call: Call) -> Mapping[str, Any]:
        del call
        return made()

    return Route("GET", path, Role.READ, answer, "This description", tag="system")


def description(routes: Sequence[Route]) -> Mapping[str, Any]:
    """Return the whole document."""
    kinds = [kind for route in routes for kind in (route.query, route.body) if kind is not None]
    _, components = msgspec.json.schema_components(list(dict.fromkeys(kinds)), ref_template=_NAMES)
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, components)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "queuectl",
            "version": __version__,
            "summary": "The same verbs, selectors and documents as on the command line.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "paths": paths,
        "components": {
            "schemas": components | {"Problem": _problem()},
            "securitySchemes": {
                "password": {"type": "http", "scheme": "basic"},
                "token": {"type": "http", "scheme": "bearer"},
            },
        },
        "security": [{"token": []}, {"password": []}],
    }


def _operation(route: Route, components: Mapping[str, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": _operation_id(route),
        "summary": route.summary,
        "description": f"Needs the role {route.role.word}.",
        "tags": [route.tag],
        "parameters": [
            *_path_parameters(route),
            *_query_parameters(route, components),
            *_header_parameters(route),
        ],
        "responses": _responses(route),
    }
    if route.body is not None:
        schema = {"$ref": _NAMES.format(name=route.body.__name__)}
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    return operation


def _operation_id(route: Route) -> str:
    words = re.sub(r"[^a-z0-9]+", "_", f"{route.method} {route.path}".lower()).strip("_")
    return words.replace("api_v1_", "")


def _path_parameters(route: Route) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        for name in re.findall(r"{(\w+)}", route.path)
    ]


def _query_parameters(route: Route, components: Mapping[str, Any]) -> list[dict[str, Any]]:
    if route.query is None:
        return []
    schema = components[route.query.__name__]
    return [
        {
            "name": name,
            "in": "query",
            "required": name in schema.get("required", ()),
            "schema": _without_null(each),
        }
        for name, each in schema["properties"].items()
    ]


def _without_null(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what a parameter may be; that it may be absent is said elsewhere."""
    kinds = [each for each in schema.get("anyOf", ()) if each != {"type": "null"}]
    if len(kinds) == 1:
        return kinds[0]  # type: ignore[no-any-return]
    return {name: value for name, value in schema.items() if name != "default" or value is not None}


def _header_parameters(route: Route) -> list[dict[str, Any]]:
    if not route.once:
        return []
    return [
        {
            "name": "Idempotency-Key",
            "in": "header",
            "required": False,
            "description": "The same key with the same content submits once, however often it is sent.",
            "schema": {"type": "string", "minLength": 1, "maxLength": 200, "pattern": "^[\\x21-\\x7e]+$"},
        }
    ]


def _responses(route: Route) -> dict[str, Any]:
    if route.streams:
        good: dict[str, Any] = {"description": "A stream of events", "content": {"text/event-stream": {}}}
    elif route.file:
        kinds = sorted({form.media_type for form in FORMS.values()})
        good = {"description": "A file", "content": {kind: {"schema": {}} for kind in kinds}}
    else:
        document = {"type": "object", "required": ["version"], "properties": {"version": {"const": 1}}}
        good = {"description": "The document", "content": {"application/json": {"schema": document}}}
    problem = {"content": {"application/json": {"schema": {"$ref": _NAMES.format(name="Problem")}}}}
    statuses = set(_ALWAYS)
    if route.method != "GET":
        statuses |= {409, 413, 415, 422, 502}
    return {str(route.status): good} | {
        str(status): {"description": _REASONS[status], **problem} for status in sorted(statuses)
    }


def _problem() -> dict[str, Any]:
    text = {"type": "string"}
    error = {
        "type": "object",
        "required": ["kind", "message", "hint"],
        "properties": {"kind": text, "message": text, "hint": {"type": ["string", "null"]}},
    }
    return {
        "type": "object",
        "required": ["version", "error"],
        "properties": {"version": {"const": 1}, "error": error},
    }
