"""Every route there is, walked by the table of routes itself: roles, requests of other sites, and reading."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from queuectl.domain.web_access import Role
from queuectl_daemon.web.app import all_routes
from queuectl_daemon.web.routes import Route
from tests.support.site import Site

ROUTES = all_routes()
OPEN = ("/healthz", "/readyz", "/static/{name}")
CLOSED = [route for route in ROUTES if route.path not in OPEN]
CHANGES = [route for route in ROUTES if route.method != "GET"]
STREAMS = ("/live", "/api/v1/events/stream")


def address_of(route: Route) -> str:
    """Return an address that leads to a route."""
    values = {"name": "low", "task_id": "1", "batch_id": "1", "letter_id": "1", "number": "1"}
    return re.sub(r"{(\w+)}", lambda match: values[match[1]], route.path)


def kind_of(route: Route) -> str:
    """Return the kind of content that a route takes."""
    return "application/x-www-form-urlencoded" if route.form else "application/json"


def call(site: Site, route: Route, login: str | None, **headers: str) -> Any:
    """Send a request that carries nothing but what is asked for here."""
    body = None if route.method == "GET" else b"{}" if not route.form else b"confirm=1"
    if body is not None:
        headers = {"Content-Type": kind_of(route)} | headers
    return site.ask(route.method, address_of(route), headers=headers, body=body, login=login)


def test_a_role_that_is_too_low_is_refused_by_every_route(plain_site: Site) -> None:
    looked_at = 0
    for route in CLOSED:
        for role in Role:
            if role < route.role:
                answer = call(plain_site, route, role.word)
                assert (answer.status, answer.kind) == (403, "role_too_low"), (route.method, route.path, role)
                looked_at += 1
    assert looked_at >= 30
    assert plain_site.get("/api/v1/audit?limit=1000").ok()["operations"][-1]["verb"] == "token create"


def test_a_role_that_is_high_enough_is_never_refused_for_its_role(plain_site: Site) -> None:
    for route in CLOSED:
        if route.path in STREAMS:
            continue
        answer = call(plain_site, route, route.role.word)
        assert answer.status != 401, route
        assert answer.status < 500, (route.path, answer.text)
        assert b"role_too_low" not in answer.content, route


def test_every_change_needs_more_than_to_look() -> None:
    for route in CHANGES:
        if route.path not in ("/preferences", "/api/v1/simulate"):
            assert route.role > Role.READ, route.path


FOREIGN = (
    {"Origin": "http://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://["},
    {"Origin": "http://localhost"},  # another port is another site
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "same-origin", "Origin": "http://evil.example"},
    {"Content-Type": "text/plain"},  # a form of another site may send JSON under this name
    {"Content-Type": "application/x-www-form-urlencoded"},
    {"Content-Type": "multipart/form-data; boundary=x"},
    {"Host": "evil.example", "Origin": "http://evil.example"},
)


@pytest.mark.parametrize("headers", FOREIGN, ids=lambda headers: " ".join(headers.values()))
def test_no_route_takes_a_change_that_another_site_may_have_sent(
    plain_site: Site, headers: dict[str, str]
) -> None:
    assert len(CHANGES) > 25
    for route in CHANGES:
        answer = call(plain_site, route, "person", **headers)
        assert answer.status == 403, (route.method, route.path, answer.status, answer.text)
        assert answer.kind in ("cross_site", "host_not_known"), route.path
    assert plain_site.get("/api/v1/audit").ok()["operations"] == []


def test_reading_changes_nothing(site: Site) -> None:
    site.manager.submit_task("https://example.com/a")
    before = everything(site)
    for route in ROUTES:
        if route.method == "GET" and route.path not in STREAMS:
            for method in ("GET", "HEAD"):
                site.ask(method, address_of(route), headers={"Accept": "text/html"})
    assert everything(site) == before


def everything(site: Site) -> dict[str, list[Any]]:
    """Return every row that a person could change."""
    tables = (
        "tasks",
        "queues",
        "schedules",
        "dead_letters",
        "batches",
        "audit",
        "web_tokens",
        "submission_keys",
    )
    with site.manager._database.reading() as transaction:
        return {table: sorted(map(str, transaction.rows(f"SELECT * FROM {table}"))) for table in tables}


def test_methods_that_a_path_does_not_know_are_named(plain_site: Site) -> None:
    answer = plain_site.ask("DELETE", "/api/v1/tasks", login="admin")
    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD, POST")
    assert (
        plain_site.ask("OPTIONS", "/api/v1/tasks").status == 405
    )  # no other site is let in by asking before
    assert "access-control-allow-origin" not in plain_site.get("/api/v1/tasks").headers


def test_every_route_says_what_it_is_for() -> None:
    for route in ROUTES:
        assert route.summary, route.path
    assert len({(route.method, route.path) for route in ROUTES}) == len(ROUTES)


def test_the_documents_name_every_part_of_the_interface() -> None:
    text = (Path(__file__).parents[3] / "docs" / "api.md").read_text(encoding="utf-8")
    for route in ROUTES:
        if route.path.startswith("/api/v1/") and not route.path.endswith("openapi.json"):
            word = route.path.removeprefix("/api/v1/").partition("/")[0]
            assert f"/{word}" in text, route.path
