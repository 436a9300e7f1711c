"""The five actors, one per queue: each runs claimed tasks and hands their ends to the pump."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Protocol

import dramatiq

from queuectl.clock import monotonic, now_ms
from queuectl.domain.ending import Ending
from queuectl.domain.outcome import Outcome, Verdict
from queuectl.domain.priority import LEVELS
from queuectl.domain.retry import RetryRule, decide
from queuectl.domain.task import Claimed
from queuectl_daemon.broker import ACTOR_SUFFIX
from queuectl_daemon.budgets import Budgets
from queuectl_daemon.endings import never_began
from queuectl_daemon.flights import ANY_TIME, Flight, Flights
from queuectl_daemon.lane import Lane
from queuectl_daemon.runner.loop_runs import NoLoopError

logger = logging.getLogger("queuectl.daemon")

_NO_RULE = RetryRule(0, 0.0, 0.0)
"""A success needs no rule."""

PAUSE = 1.0
"""Seconds for which a task waits that could not be begun, before it goes back."""


class RunsTasks(Protocol):
    """What runs a handler and says how it ended."""

    def run(self, work: Claimed) -> Outcome:
        """Run a claimed task to its end; never raises."""
        ...

    def is_async(self, handler: str) -> bool:
        """Whether it is known that tasks of this handler run in the event loop, but for those of ``needs_process``."""
        ...

    def needs_process(self, work: Claimed) -> bool:
        """Whether a task, whose limits are those in effect, runs in a child process whatever its handler is."""
        ...

    def take_up(self, work: Claimed, done: Callable[[Outcome], None]) -> bool:
        """Begin a task that needs no thread and return, calling ``done`` at its end; False for any other task.

        Raises:
            NoLoopError: This machine has nothing left to begin it with.
        """
        ...


class HasRoom(Protocol):
    """What counts the runs, and sees to it that a thread is free while others are at work."""

    def admit(self) -> bool:
        """Wait until another run may go on; False when none may begin any more."""
        ...

    def admit_at_once(self) -> bool:
        """Let another run go on if there is room that nobody waits for."""
        ...

    def leave(self) -> None:
        """Take note that a run is over."""
        ...

    def occupy(self) -> None:
        """Take note that the calling thread is at work."""
        ...

    def vacate(self) -> None:
        """Take note that it is free again."""
        ...


class AttemptFailedError(Exception):
    """An attempt ended without success; the dead-letter middleware decides what follows."""

    def __init__(self, work: Claimed, outcome: Outcome) -> None:
        super().__init__(outcome.verdict.value)
        self.work = work
        self.outcome = outcome


def declare(broker: dramatiq.Broker, attempts: Attempts) -> None:
    """Declare one actor per queue; Dramatiq takes the lowest number first, queuectl the highest score."""
    for place, level in enumerate(LEVELS):
        broker.declare_queue(level.queue)
        dramatiq.Actor(
            attempts.perform,
            broker=broker,
            actor_name=level.queue + ACTOR_SUFFIX,
            queue_name=level.queue,
            priority=place,
            options={"throws": (AttemptFailedError,)},
        )


class Attempts:
    """What the actors do: begin a claimed task, once, and hand in how it ended.

    ``judge`` is the dead-letter middleware's, for runs that end when their message is long done.
    """

    def __init__(
        self,
        flights: Flights,
        runner: RunsTasks,
        budgets: Budgets,
        *,
        finish: Callable[[Ending], None],
        judge: Callable[[Claimed, Outcome], None],
        crew: HasRoom,
    ) -> None:
        self._flights = flights
        self._runner = runner
        self._budgets = budgets
        self._finish = finish
        self._judge = judge
        self._crew = crew
        self._barred_until = -math.inf
        self._lane = Lane(crew.admit_at_once, self._set_off)

    def hand_over(self, works: Iterable[Claimed]) -> list[Claimed]:
        """Set the claimed tasks going that need no thread, as soon as there is room; return the others.

        Just after one could not be begun these are all: in a thread they can wait.
        """
        others = []
        is_barred = monotonic() < self._barred_until
        for work in works:
            if not is_barred and self._runner.is_async(work.handler):
                limited = self._budgets.applied(work)
                if not self._runner.needs_process(limited):
                    self._lane.add(limited)
                    continue
            others.append(work)
        self._lane.go_on()
        return others

    def go_on(self) -> None:
        """Look whether more runs may begin: there may be room now that nobody has left."""
        self._lane.go_on()

    def perform(self, task: int, fence: int) -> None:
        """Run a task, or set it going where it needs no thread.

        Raises:
            AttemptFailedError: it ended without success.
        """
        if not self._crew.admit():
            return
        self._lane.go_on()  # it lets threads that wait go first, and there may be room for more
        flight = self._flights.begin(task, fence)
        if flight is None:
            self._leave()
            return
        outcome = self._outcome(flight, self._budgets.applied(flight.work))
        if outcome is None:
            return  # it goes on in the event loop, and leaves the crew there
        self._leave()
        if outcome.began and outcome.verdict is not Verdict.SUCCEEDED:
            raise AttemptFailedError(flight.work, outcome)
        self._hand_in(flight, outcome)

    def _outcome(self, flight: Flight, work: Claimed, *, may_block: bool = True) -> Outcome | None:
        """Return how the run ended; nothing while it goes on elsewhere."""
        if flight.began is None:
            return Outcome(Verdict.INTERRUPTED, began=False)
        if flight.cancelled:
            return Outcome(Verdict.CANCELLED)
        try:
            if flight.window is not ANY_TIME:
                work = work._replace(begin_by=flight.window.ends)
            if self._runner.take_up(work, lambda outcome: self._ended(flight, outcome)):
                return None
            if not may_block:
                return Outcome(Verdict.INTERRUPTED, began=False)
            self._crew.occupy()
            try:
                return _wanted(flight, self._runner.run(work))
            finally:
                self._crew.vacate()
        except NoLoopError as error:
            self._barred_until = monotonic() + PAUSE
            if may_block:
                threading.Event().wait(PAUSE)  # or it would come back at once, and again
            return Outcome(Verdict.INTERRUPTED, error=str(error), began=False)
        except Exception as error:  # the runner never raises; if it does, the task must not be held for ever
            logger.exception("the runner has failed", extra={"action": "runner_failed"})
            return Outcome(Verdict.FAILED, error=f"the runner has failed: {type(error).__name__}")

    def _set_off(self, work: Claimed) -> None:
        """Begin a task that needs no thread, for which there is room; the lane itself asks for the next one."""
        flight = self._flights.begin(work.id, work.fence)
        if flight is None:
            self._crew.leave()
            return
        outcome = self._outcome(flight, work, may_block=False)
        if outcome is not None:
            self._crew.leave()
            self._conclude(flight, outcome)

    def _ended(self, flight: Flight, outcome: Outcome) -> None:
        self._leave()
        self._conclude(flight, outcome)

    def _conclude(self, flight: Flight, outcome: Outcome) -> None:
        if outcome.began and outcome.verdict is not Verdict.SUCCEEDED:
            self._judge(flight.work, _wanted(flight, outcome))
        else:
            self._hand_in(flight, outcome)

    def _leave(self) -> None:
        self._crew.leave()
        self._lane.go_on()

    def _hand_in(self, flight: Flight, outcome: Outcome) -> None:
        """Hand in the end of a run that nobody has to judge: a success, or one that never began."""
        if outcome.began:
            self._finish(decide(flight.work, outcome, _NO_RULE, now_ms()))
            return
        if outcome.error is not None:
            logger.warning(
                "task_%d has not begun and goes back to its queue: %s",
                flight.work.id,
                outcome.error,
                extra={"action": "not_begun", "task_id": flight.work.id, "queue": flight.work.queue},
            )
        if flight.window is ANY_TIME:
            flight.began = None  # and no moment that it was late for
        else:
            self._flights.not_begun(flight)
        self._finish(never_began(flight.work))


def _wanted(flight: Flight, outcome: Outcome) -> Outcome:
    if flight.cancelled and outcome.verdict is not Verdict.SUCCEEDED:
        return replace(outcome, verdict=Verdict.CANCELLED)
    return outcome
