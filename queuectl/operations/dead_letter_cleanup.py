"""``cleanup_dead_letter_queue``: removing old dead letters by one name, without a manager."""

from __future__ import annotations

from queuectl.operations.manager import QueueManager
from queuectl.settings import Settings


class DeadLetterCleanup:
    """Remove the dead letters of tasks that died long ago; called as a function, and by no worker."""

    def __call__(self, days: float = 30, *, settings: Settings | None = None) -> int:
        """Remove the dead letters of tasks that died more than ``days`` days ago, and return how many.

        Raises:
            InvalidInputError: ``days`` is negative or longer than a century.
            ConfigurationError: the settings have mistakes.
            UnreachableError: the database does not answer or does not fit.
        """
        with QueueManager(settings) as manager:
            return manager.cleanup_dead_letter_queue(days)

    def apply_async(self) -> int:
        """Do the same at once, under the name by which programs written for Celery call it."""
        return self()


cleanup_dead_letter_queue = DeadLetterCleanup()
