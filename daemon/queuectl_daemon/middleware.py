"""The dead-letter middleware: after a failed attempt it chooses between another one and a dead letter.

It writes nothing itself; it hands its decision to the pump, which records it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import dramatiq
from dramatiq.middleware import Middleware

from queuectl.clock import now_ms
from queuectl.domain.ending import Ending
from queuectl.domain.lifecycle import Move
from queuectl.domain.outcome import Outcome
from queuectl.domain.retry import RetryRule, decide
from queuectl.domain.task import Claimed
from queuectl_daemon.actors import AttemptFailedError

logger = logging.getLogger("queuectl.daemon")

_FOLLOWS = {
    Move.RETRY: "it runs again later",
    Move.BURY: "it is given up",
    Move.CANCEL: "it is cancelled",
    Move.RELEASE: "it goes back to its queue",
}


class DeadLetters(Middleware):
    """Decide what follows a failed attempt, by the rule for its task."""

    def __init__(self, rule_for: Callable[[Claimed], RetryRule], finish: Callable[[Ending], None]) -> None:
        self._rule_for = rule_for
        self._finish = finish

    def after_process_message(
        self,
        broker: dramatiq.Broker,
        message: dramatiq.broker.MessageProxy,
        *,
        result: Any = None,
        exception: BaseException | None = None,
    ) -> None:
        """Judge a failed attempt; successes have been handed in by their actor."""
        if isinstance(exception, AttemptFailedError):
            self.judge(exception.work, exception.outcome)

    def judge(self, work: Claimed, outcome: Outcome) -> None:
        """Decide what follows an attempt that ended without success, and hand that in."""
        ending = decide(work, outcome, self._rule_for(work), now_ms())
        logger.warning(
            "task_%d attempt %d %s: %s",
            work.id,
            work.attempt,
            outcome.verdict.value,
            _FOLLOWS[ending.move],
            extra={
                "action": ending.move.value,
                "task_id": work.id,
                "queue": work.queue,
                "attempt": work.attempt,
            },
        )
        self._finish(ending)
