"""What the daemon removes by itself because of its age."""

from __future__ import annotations

import logging
import threading

from queuectl.operations.dead_letters import moment_days_ago, purge_group
from queuectl.store.database import Database

logger = logging.getLogger("queuectl.daemon")

_GROUP = 500
_MOST_GROUPS = 20
_PAUSE_SECONDS = 0.05


def purge_dead_letters(database: Database, days: float) -> int:
    """Remove dead letters older than so many days, at most ten thousand at a time, and return how many.

    Between two groups others may write; what is left is removed at the next call.
    """
    removed = 0
    for _ in range(_MOST_GROUPS):
        count = purge_group(database, moment_days_ago(days), _GROUP)
        removed += count
        if count < _GROUP:
            break
        threading.Event().wait(_PAUSE_SECONDS)
    if removed:
        logger.info("removed %d dead letters older than %g days", removed, days, extra={"action": "purged"})
    return removed
