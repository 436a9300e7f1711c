"""The fixtures of these tests: a page that is served on a database of each engine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from queuectl.settings import Settings
from tests.support.engines import (
    database,
    database_url,
    emptied_postgres,
    empty_url,
    migrated_file,
    migrated_postgres,
    settings,
    sqlite_url,
)
from tests.support.site import Site, serving

__all__ = [
    "database",
    "database_url",
    "emptied_postgres",
    "empty_url",
    "migrated_file",
    "migrated_postgres",
    "settings",
]


@pytest.fixture
def site(settings: Settings) -> Iterator[Site]:
    """Give a page that is served, once per engine."""
    with serving(settings) as served:
        yield served


@pytest.fixture
def plain_settings(home: Path, migrated_file: bytes) -> Settings:
    """Give settings for an SQLite database: for what does not depend on the engine."""
    (home / "queuectl.db").write_bytes(migrated_file)
    return Settings(home=home, database_url=sqlite_url(home))


@pytest.fixture
def plain_site(plain_settings: Settings) -> Iterator[Site]:
    """Give a page that is served on SQLite."""
    with serving(plain_settings) as served:
        yield served
