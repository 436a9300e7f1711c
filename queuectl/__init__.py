"""A durable, explainable queue manager for article processing.

The names below are loaded when they are first used, so that importing queuectl costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from queuectl.domain.task import ArticleTask as ArticleTask
    from queuectl.errors import PermanentError as PermanentError
    from queuectl.errors import QueuectlError as QueuectlError
    from queuectl.errors import RetryableError as RetryableError
    from queuectl.operations.dead_letter_cleanup import cleanup_dead_letter_queue as cleanup_dead_letter_queue
    from queuectl.operations.manager import QueueManager as QueueManager
    from queuectl.operations.monitor import Monitor as Monitor
    from queuectl.operations.monitor import get_monitor as get_monitor
    from queuectl.operations.reporter import Reporter as Reporter
    from queuectl.operations.reporter import get_reporter as get_reporter
    from queuectl.operations.scheduler import Scheduler as Scheduler
    from queuectl.operations.scheduler import get_scheduler as get_scheduler
    from queuectl.settings import Settings as Settings

__version__ = "0.1.0"

_HOMES = {
    "ArticleTask": "queuectl.domain.task",
    "Monitor": "queuectl.operations.monitor",
    "PermanentError": "queuectl.errors",
    "QueueManager": "queuectl.operations.manager",
    "QueuectlError": "queuectl.errors",
    "Reporter": "queuectl.operations.reporter",
    "RetryableError": "queuectl.errors",
    "Scheduler": "queuectl.operations.scheduler",
    "Settings": "queuectl.settings",
    "cleanup_dead_letter_queue": "queuectl.operations.dead_letter_cleanup",
    "get_monitor": "queuectl.operations.monitor",
    "get_reporter": "queuectl.operations.reporter",
    "get_scheduler": "queuectl.operations.scheduler",
}

__all__ = [*sorted(_HOMES), "__version__"]


def __getattr__(name: str) -> Any:
    """Load a public name from its module."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'queuectl' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(home), name)
