"""Which limits and which retry rule hold for a task: its own, else its queue's, its handler's, the general one.

What people set for a queue while the daemon runs wins over the settings file.
"""

from __future__ import annotations

from collections.abc import Mapping

from queuectl.domain.admission import QueueRules
from queuectl.domain.retry import RetryRule
from queuectl.domain.task import Claimed
from queuectl.settings import HandlerSettings, QueueSettings, Settings

Limits = tuple[float | None, int | None]
"""A time limit in seconds and a memory limit in megabytes."""

_NO_RULES = QueueRules("")
_NO_QUEUE = QueueSettings()
_NO_HANDLER = HandlerSettings()


class Budgets:
    """Resolve limits from the settings of one process and from what people have set for the queues."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._rules: Mapping[str, QueueRules] = {}
        self._limits: dict[tuple[str, str], Limits] = {}

    def adopt(self, settings: Settings) -> None:
        """Go by these settings for every run that starts or ends from now on."""
        self._settings = settings
        self._limits = {}

    def learn(self, rules: Mapping[str, QueueRules]) -> None:
        """Take in the queues' rules; they hold for every run that starts from now on."""
        if rules != self._rules:
            self._rules = dict(rules)
            self._limits = {}

    def applied(self, work: Claimed) -> Claimed:
        """Return the task with the time limit (seconds) and memory limit (megabytes) that hold for its run."""
        kind = (work.queue, work.handler)
        limits = self._limits.get(kind)
        if limits is None:
            known = self._limits  # what is learnt meanwhile begins another one
            limits = known[kind] = self._limits_of(work)
        timeout = limits[0] if work.timeout is None else work.timeout
        memory = limits[1] if work.memory_limit is None else work.memory_limit
        return work._replace(timeout=timeout, memory_limit=memory)

    def rule_for(self, work: Claimed) -> RetryRule:
        """Return how often and how soon the task is tried again."""
        rule, queue, handler = self._sources(work)
        retries = _first(
            work.max_retries,
            rule.max_retries,
            queue.max_retries,
            handler.max_retries,
            self._settings.max_retries,
        )
        backoff = _first(rule.retry_backoff, queue.retry_backoff, self._settings.retry_backoff)
        return RetryRule(int(retries or 0), float(backoff or 0), self._settings.retry_backoff_max)

    def _limits_of(self, work: Claimed) -> Limits:
        """Return what holds for a task of this queue and handler that has no limits of its own."""
        rule, queue, handler = self._sources(work)
        timeout = _first(rule.task_timeout, queue.task_timeout, handler.timeout, self._settings.task_timeout)
        memory = _first(rule.memory_limit, queue.memory_limit, handler.memory_limit)
        return timeout, None if memory is None else int(memory)

    def _sources(self, work: Claimed) -> tuple[QueueRules, QueueSettings, HandlerSettings]:
        return (
            self._rules.get(work.queue, _NO_RULES),
            self._settings.queues.get(work.queue, _NO_QUEUE),
            self._settings.handlers.get(work.handler, _NO_HANDLER),
        )


def _first(*values: float | None) -> float | None:
    return next((value for value in values if value is not None), None)
