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
