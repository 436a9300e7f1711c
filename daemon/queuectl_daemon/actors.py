"""The five actors, one per queue: each runs claimed tasks and hands their ends to the pump."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

import dramatiq

from queuectl.clock import now_ms
from queuectl.domain.ending import Ending
from queuectl.domain.outcome import Outcome, Verdict
from queuectl.domain.priority import LEVELS
from queuectl.domain.retry import RetryRule, decide
from queuectl.domain.task import Claimed
from queuectl_daemon.broker import ACTOR_SUFFIX
from queuectl_daemon.budgets import Budgets
from queuectl_daemon.endings import never_began
from queuectl_daemon.flights import ANY_TIME, Flight, Flights

logger = logging.getLogger("queuectl.daemon")

_NO_RULE = RetryRule(0, 0.0, 0.0)
"""A success needs no rule."""


class RunsTasks(Protocol):
    """What runs a handler and says how it ended."""

    def run(self, work: Claimed) -> Outcome:
        """Run a claimed task to its end; never raises."""
        ...


class AttemptFailedError(Exception):
    """An attempt ended without success; the dead-letter middleware decides what follows."""

    def __init__(self, work: Claimed, outcome: Outcome) -> None:
        super().__init__(outcome.verdict.value)
        self.work = work
        self.outcome = outcome


def declare(
    broker: dramatiq.Broker,
    flights: Flights,
    runner: RunsTasks,
    budgets: Budgets,
    finish: Callable[[Ending], None],
) -> None:
    """Declare one actor per queue; Dramatiq takes the lowest number first, queuectl the highest score."""

    def perform(task: int, fence: int) -> None:
        flight = flights.begin(task, fence)
        if flight is None:
            return
        work = flight.work
        outcome = _outcome(flight, runner, budgets)
        if not outcome.began:
            flights.not_begun(flight)
            finish(never_began(work))
        elif outcome.verdict is Verdict.SUCCEEDED:
            finish(decide(work, outcome, _NO_RULE, now_ms()))
        else:
            raise AttemptFailedError(work, outcome)

    for place, level in enumerate(LEVELS):
        broker.declare_queue(level.queue)
        dramatiq.Actor(
            perform,
            broker=broker,
            actor_name=level.queue + ACTOR_SUFFIX,
            queue_name=level.queue,
            priority=place,
            options={"throws": (AttemptFailedError,)},
        )


def _outcome(flight: Flight, runner: RunsTasks, budgets: Budgets) -> Outcome:
    if flight.began is None:
        return Outcome(Verdict.INTERRUPTED, began=False)
    if flight.cancelled:
        return Outcome(Verdict.CANCELLED)
    work = budgets.applied(flight.work)
    if flight.window is not ANY_TIME:
        work = replace(work, begin_by=flight.window.ends)
    try:
        outcome = runner.run(work)
    except Exception as error:  # the runner never raises; if it does, the task must not be held for ever
        logger.exception("the runner has failed", extra={"action": "runner_failed"})
        return Outcome(Verdict.FAILED, error=f"the runner has failed: {type(error).__name__}")
    if flight.cancelled and outcome.verdict is not Verdict.SUCCEEDED:
        return replace(outcome, verdict=Verdict.CANCELLED)
    return outcome
