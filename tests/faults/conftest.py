"""The fixtures of these tests: installations with daemons, of each kind where a test asks for ``kind``."""

from tests.support.daemon import install, neighbour
from tests.support.engines import database, database_url, emptied_postgres, migrated_file, migrated_postgres
from tests.support.network import network

__all__ = [
    "database",
    "database_url",
    "emptied_postgres",
    "install",
    "migrated_file",
    "migrated_postgres",
    "neighbour",
    "network",
]
