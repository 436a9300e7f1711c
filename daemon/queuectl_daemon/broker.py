"""The Dramatiq broker: hands claimed tasks to Dramatiq's consumers, whatever transport brought them.

Dramatiq's own acknowledgements, retries and delays are not used: the database owns all of these,
so acknowledging is free, and a message that is lost here is only a hint that is repeated.
"""

from __future__ import annotations

from collections.abc import Iterable
from queue import Empty, SimpleQueue
from typing import Any

import dramatiq
from dramatiq.broker import Consumer, MessageProxy
from dramatiq.middleware import Middleware

from queuectl.domain.task import Claimed
from queuectl.errors import RefusedError

ACTOR_SUFFIX = "_actor"


class ClaimedBroker(dramatiq.Broker):
    """A broker over tasks that the pump has claimed."""

    def __init__(self, middleware: list[Middleware]) -> None:
        super().__init__(middleware=middleware)
        self._ready: dict[str, SimpleQueue[Claimed]] = {}

    def declare_queue(self, queue_name: str) -> None:
        """Open a queue; no delay queue goes with it, because the database keeps tasks until they are due."""
        if queue_name in self.queues:
            return
        self.emit_before("declare_queue", queue_name)
        self.queues[queue_name] = None
        self._ready[queue_name] = SimpleQueue()
        self.emit_after("declare_queue", queue_name)

    def hand_over(self, works: Iterable[Claimed]) -> None:
        """Let Dramatiq run claimed tasks."""
        for work in works:
            self._ready[work.queue].put(work)

    def consume(self, queue_name: str, prefetch: int = 1, timeout: int = 30_000) -> Consumer:
        """Return a consumer of one queue; ``timeout`` is in milliseconds."""
        del prefetch  # the pump has claimed only as much as may be in hand
        return _ClaimedConsumer(self._ready[queue_name], queue_name, timeout / 1000)

    def enqueue(self, message: dramatiq.Message[Any], *, delay: int | None = None) -> dramatiq.Message[Any]:
        """Refuse: a task enters by being submitted to the database, where it is durable.

        Raises:
            RefusedError: always; Dramatiq's own way of sending would pass the database by.
        """
        raise RefusedError(
            "a message carries no work, so nothing was sent",
            hint="submit the task with queuectl.QueueManager",
        )


class _ClaimedConsumer(Consumer):
    def __init__(self, ready: SimpleQueue[Claimed], queue_name: str, timeout: float) -> None:
        self._ready = ready
        self._queue_name = queue_name
        self._actor_name = queue_name + ACTOR_SUFFIX
        self._timeout = timeout

    def __next__(self) -> MessageProxy | None:
        """Return the next message, or nothing when none came within the timeout."""
        try:
            work = self._ready.get(timeout=self._timeout)
        except Empty:
            return None
        return MessageProxy(
            dramatiq.Message(
                queue_name=self._queue_name,
                actor_name=self._actor_name,
                args=(work.id, work.fence),
                kwargs={},
                options={},
                message_id=f"{work.id}.{work.fence}",
                message_timestamp=work.started_at,
            )
        )

    def ack(self, message: MessageProxy) -> None:
        """Do nothing: the end of a run is recorded in the database."""

    def nack(self, message: MessageProxy) -> None:
        """Do nothing: the end of a run is recorded in the database."""

    def requeue(self, messages: Iterable[MessageProxy]) -> None:
        """Do nothing: at shutdown the pump releases what has not begun."""

    def close(self) -> None:
        """Do nothing: there is no connection to close."""
