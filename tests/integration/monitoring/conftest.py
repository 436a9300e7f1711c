"""The fixtures of these tests: installations with daemons, and what one of them answers to a scrape."""

from tests.support.daemon import install, neighbour
from tests.support.engines import emptied_postgres, migrated_postgres

__all__ = ["emptied_postgres", "install", "migrated_postgres", "neighbour"]
