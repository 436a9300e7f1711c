"""The names that a shell can complete after an option or for an argument."""

from __future__ import annotations

from queuectl.domain.lifecycle import State
from queuectl.domain.priority import LEVELS


def priorities() -> list[str]:
    """Return the names of the priorities, which are the short names of the queues too."""
    return [level.name for level in LEVELS]


def states() -> list[str]:
    """Return the states of a task."""
    return [state.value for state in State]


def schedules() -> list[str]:
    """Return the names of the schedules of this installation; none if its database cannot be asked."""
    from queuectl.errors import QueuectlError
    from queuectl.operations.scheduler import get_scheduler

    try:
        return [schedule.name for schedule in get_scheduler().list_schedules()]
    except QueuectlError:
        return []
