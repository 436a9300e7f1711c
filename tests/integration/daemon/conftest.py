"""The fixtures of these tests: installations with daemons, of each kind where a test asks for ``kind``."""

from tests.support.daemon import install, neighbour

__all__ = ["install", "neighbour"]
