"""Waiting until daemons have heard of cancellations."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from queuectl.clock import monotonic
from queuectl.errors import QueuectlError
from queuectl.store import nodes
from queuectl.store.database import Database

PATIENCE_SECONDS = 1.0
"""A daemon that has not heard by then does not answer at all."""

_PAUSE_SECONDS = 0.005


def wait_until_heard(database: Database, tasks: Sequence[int]) -> bool:
    """Wait until the daemons that have claimed these tasks know that they are to end: a run may not have begun yet.

    Returns False if one of them does not answer, or the database: the tasks are cancelled or asked all the same.
    """
    deadline, pause = monotonic() + PATIENCE_SECONDS, threading.Event()
    while monotonic() < deadline:
        try:
            with database.reading() as transaction:
                if not nodes.have_not_heard(transaction, tasks):
                    return True
        except QueuectlError:
            return False
        pause.wait(_PAUSE_SECONDS)
    return False
