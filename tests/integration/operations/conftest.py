"""The fixtures of these tests: a database of each engine."""

from tests.support.engines import (
    database,
    database_url,
    emptied_postgres,
    empty_url,
    migrated_file,
    migrated_postgres,
    settings,
)

__all__ = [
    "database",
    "database_url",
    "emptied_postgres",
    "empty_url",
    "migrated_file",
    "migrated_postgres",
    "settings",
]
