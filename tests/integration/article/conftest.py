"""A site that answers as told, and fetchers that are closed after the test."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import httpcore2
import pytest

from queuectl.handlers.article.fetch import Fetcher
from tests.support.fake_site import FakeSite

# Reading the system's certificates takes longer than most of these tests, so it is done once.
TLS = httpcore2.default_ssl_context()
LOOPBACK = ("127.0.0.0/8", "::1/128")


@pytest.fixture
def site() -> Iterator[FakeSite]:
    """Give a running site without pages."""
    with FakeSite() as running:
        yield running


@pytest.fixture
def make_fetcher() -> Iterator[Callable[..., Fetcher]]:
    """Give a function that makes a fetcher; it reaches the loopback networks unless told otherwise."""
    with contextlib.ExitStack() as made:

        def make(**options: object) -> Fetcher:
            fetcher = Fetcher(**{"allow_networks": LOOPBACK, "timeout": 10.0, "tls": TLS, **options})  # type: ignore[arg-type]
            made.callback(fetcher.close)
            return fetcher

        yield make


@pytest.fixture
def fetcher(make_fetcher: Callable[..., Fetcher]) -> Fetcher:
    """Give a fetcher that reaches the loopback networks and gives up after ten seconds."""
    return make_fetcher()
