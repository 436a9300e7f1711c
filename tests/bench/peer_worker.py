"""What Dramatiq's own command imports in the worker process: the broker with its actors."""

from __future__ import annotations

from tests.bench.peer import peer_of_environment

broker = peer_of_environment().broker
