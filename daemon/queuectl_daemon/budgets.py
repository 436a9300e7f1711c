"""Which limits and which retry rule hold for a task: its own, else its queue's, its handler's, the general one."""

from __future__ import annotations

from dataclasses import replace

from queuectl.domain.retry import RetryRule
from queuectl.domain.task import Claimed
from queuectl.settings import HandlerSettings, QueueSettings, Settings

_NO_QUEUE = QueueSettings()
_NO_HANDLER = HandlerSettings()


class Budgets:
    """Resolve limits from the settings of one process."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def applied(self, work: Claimed) -> Claimed:
        """Return the task with the time limit (seconds) and memory limit (megabytes) that hold for its run."""
        queue, handler = self._sources(work)
        timeout = _first(work.timeout, queue.task_timeout, handler.timeout, self._settings.task_timeout)
        memory = _first(work.memory_limit, queue.memory_limit, handler.memory_limit)
        return replace(work, timeout=timeout, memory_limit=None if memory is None else int(memory))

    def rule_for(self, work: Claimed) -> RetryRule:
        """Return how often and how soon the task is tried again."""
        queue, handler = self._sources(work)
        retries = _first(work.max_retries, queue.max_retries, handler.max_retries, self._settings.max_retries)
        backoff = _first(queue.retry_backoff, self._settings.retry_backoff)
        return RetryRule(int(retries or 0), float(backoff or 0), self._settings.retry_backoff_max)

    def _sources(self, work: Claimed) -> tuple[QueueSettings, HandlerSettings]:
        return (
            self._settings.queues.get(work.queue, _NO_QUEUE),
            self._settings.handlers.get(work.handler, _NO_HANDLER),
        )


def _first(*values: float | None) -> float | None:
    return next((value for value in values if value is not None), None)
