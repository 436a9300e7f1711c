"""Loopback ports for servers that tests start."""

from __future__ import annotations

import os
import random
import socket

# Below the ports that systems hand to outgoing connections, so that a port stays free while its server is
# down between a kill and a restart.
_LOWEST, _HIGHEST = 20_000, 32_000

# Each worker of a test run has ports of its own, or one could take what another's server is to come back on.
_SHARES = 8
_SHARE = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % _SHARES

# Not the shared generator: the test runner gives it the same seed in every worker.
_random = random.SystemRandom()


def free_port() -> int:
    """Return a port on 127.0.0.1 that nothing listens on right now.

    Raises:
        RuntimeError: A hundred ports in a row were taken.
    """
    for _ in range(100):
        port = _random.randrange(_LOWEST + _SHARE, _HIGHEST, _SHARES)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError("no free loopback port was found")
