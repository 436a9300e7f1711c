"""The last things that a daemon does, each on its own: one that cannot be done keeps nothing else from being done."""

from __future__ import annotations

import logging
from collections.abc import Callable

from queuectl.errors import QueuectlError
from queuectl.store import nodes, schedules, tasks
from queuectl.store.database import Database

logger = logging.getLogger("queuectl.daemon")


def was_done(what: str, work: Callable[[], object]) -> bool:
    """Do one of the last things, and tell whether it could be done; if not, the log says why."""
    try:
        work()
    except (OSError, QueuectlError) as error:
        logger.warning("could not %s: %s", what, error, extra={"action": "left_undone"})
    except Exception:  # whatever it is, the node has to leave the list
        logger.exception("could not %s", what, extra={"action": "left_undone"})
    else:
        return True
    return False


def sign_off(database: Database, node: str) -> None:
    """Give back what a node has sent and not seen taken, and take it off the list.

    Raises:
        QueuectlError: the database does not answer.
    """
    with database.writing() as transaction:
        tasks.release_dispatched(transaction, node=node)
        schedules.release(transaction, node)
        nodes.remove(transaction, node)
