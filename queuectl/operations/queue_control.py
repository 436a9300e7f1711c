"""The verbs on queues: pause, resume, and set their limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from queuectl.domain import priority as priorities
from queuectl.domain.admission import QueueRules
from queuectl.domain.queue_limits import LimitChange, changes, read_limits
from queuectl.operations.verbs import Verbs
from queuectl.store import queues, starts
from queuectl.store.database import Transaction


class QueueControl(Verbs):
    """A part of ``QueueManager``."""

    def pause_queue(self, name: str) -> bool:
        """Start no more tasks of a queue; return False if it was paused already."""
        return self._set_paused(name, paused=True)

    def resume_queue(self, name: str) -> bool:
        """Start tasks of a queue again; return False if it was not paused."""
        return self._set_paused(name, paused=False)

    def update_queue_config(self, name: str, limits: Mapping[str, object]) -> list[LimitChange]:
        """Change limits of a queue and return those that are different now; None or ``none`` removes one.

        ``max_size`` bounds the tasks that wait, ``rate_limit`` (such as ``150/h``) the starts in any
        period of that length, ``concurrency`` the tasks at work, on all nodes together. ``host_gap``
        (seconds) lies at least between two starts on one host, of which ``host_concurrency`` run at
        once. ``task_timeout`` (seconds), ``memory_limit`` (megabytes), ``max_retries`` and
        ``retry_backoff`` (seconds) hold for the runs that start from now on. Running daemons keep to
        them within a quarter of a second.

        Raises:
            QueueNotFoundError: there is no such queue.
            InvalidInputError: a limit is unknown or not acceptable; the message names all of these.
        """
        queue = priorities.queue_named(name)
        values = read_limits(limits)
        operation = self._operation("queue set", queue)
        with operation.writing() as transaction:
            changed = set_limits(transaction, queue, values)
            if changed:
                operation.note(
                    transaction,
                    before={each.key: each.before for each in changed},
                    after={each.key: each.after for each in changed},
                    kept={"queue": queue},
                )
        self._wake()
        return changed

    def get_queue_config(self, name: str) -> QueueRules:
        """Return a queue's switch and limits.

        Raises:
            QueueNotFoundError: there is no such queue.
        """
        queue = priorities.queue_named(name)
        with self._database.reading() as transaction:
            return queues.rules(transaction)[queue]

    def _set_paused(self, name: str, *, paused: bool) -> bool:
        queue = priorities.queue_named(name)
        operation = self._operation("queue pause" if paused else "queue resume", queue)
        with operation.writing() as transaction:
            changed = queues.set_paused(transaction, queue, paused=paused)
            if changed:
                operation.note(
                    transaction,
                    before={"paused": not paused},
                    after={"paused": paused},
                    kept={"queue": queue},
                )
        self._wake()
        return changed


def set_limits(transaction: Transaction, queue: str, values: Mapping[str, Any]) -> list[LimitChange]:
    """Lock a queue and change its limits; return those that are different now."""
    before = queues.lock(transaction, queue)
    changed = changes(before, values)
    if changed:
        after = replace(before, **values)
        queues.set_limits(transaction, after)
        if after.rate_limit != before.rate_limit:
            starts.begin(transaction, after, transaction.now())
    return changed
