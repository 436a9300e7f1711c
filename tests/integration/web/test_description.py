"""The description of the interface is true: what a tool makes of it never finds an answer that it does not tell of."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import schemathesis
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from queuectl.settings import Settings
from queuectl_daemon.web.api import ROUTES
from queuectl_daemon.web.api.description import description
from tests.integration.web.test_pages import fill
from tests.support.site import Site, serving

EXAMPLES = 25
"""So many requests of each kind; more find nothing new within the time that tests have."""

_STREAMS = "/api/v1/events/stream"


def test_every_route_of_the_interface_is_described(plain_site: Site) -> None:
    told = plain_site.get("/api/v1/openapi.json").ok()
    described = {(method.upper(), path) for path, methods in told["paths"].items() for method in methods}
    assert described == {
        (route.method, route.path) for route in ROUTES if not route.path.endswith("openapi.json")
    }
    assert told["openapi"].startswith("3.1")
    keys = [each["name"] for each in told["paths"]["/api/v1/tasks"]["post"]["parameters"]]
    assert keys == ["Idempotency-Key"]
    names = {each["operationId"] for methods in told["paths"].values() for each in methods.values()}
    assert len(names) == len(described)


def described() -> Any:
    """Return the description without the streams, whose answers do not end."""
    content = copy.deepcopy(json.loads(json.dumps(description([*ROUTES]))))
    content["paths"] = {path: each for path, each in content["paths"].items() if path != _STREAMS}
    return schemathesis.openapi.from_dict(content)


@pytest.fixture(scope="module")
def schema() -> Any:
    """Give the description as the tool reads it."""
    return described()


@pytest.mark.timeout(300)
def test_no_request_that_fits_or_does_not_fit_the_description_ends_in_an_error_of_ours(
    plain_settings: Settings, schema: Any
) -> None:
    with serving(plain_settings) as site:
        fill(site)
        token = site.token("admin")
        checks = [
            not_a_server_error,
            status_code_conformance,
            content_type_conformance,
            response_schema_conformance,
        ]
        base = f"http://127.0.0.1:{site.port}"
        headers = {"Authorization": f"Bearer {token}", "Host": f"localhost:{site.port}"}
        count = 0
        for found in schema.get_all_operations():
            operation = found.ok()

            @hypothesis.given(case=operation.as_strategy())
            @hypothesis.settings(
                max_examples=EXAMPLES,
                database=None,
                deadline=None,
                suppress_health_check=list(hypothesis.HealthCheck),
                phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate],
            )
            def try_it(case: Any) -> None:
                case.call_and_validate(base_url=base, headers=headers, checks=checks)

            try_it()
            count += 1
        assert count == len(ROUTES) - 1
        assert _no_trace(site.settings.home)


def _no_trace(home: Path) -> bool:
    return not list(home.glob("*.traceback"))
