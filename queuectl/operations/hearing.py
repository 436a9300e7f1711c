"""Waiting until a daemon has heard of a cancellation."""

from __future__ import annotations

import threading

from queuectl.clock import monotonic
from queuectl.store import nodes
from queuectl.store.database import Database

PATIENCE_SECONDS = 1.0
"""A daemon that has not heard by then does not answer at all."""

_PAUSE_SECONDS = 0.005


def wait_until_heard(database: Database, task: int) -> bool:
    """Wait until the daemon that has claimed a task knows that it is to end: its run may not have begun yet.

    Returns False if that daemon does not answer.
    """
    deadline, pause = monotonic() + PATIENCE_SECONDS, threading.Event()
    while monotonic() < deadline:
        with database.reading() as transaction:
            if not nodes.has_not_heard(transaction, task):
                return True
        pause.wait(_PAUSE_SECONDS)
    return False
