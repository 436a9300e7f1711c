"""Handlers in virtual time: how long they take and how they end is part of the task, and faults come on top.

A run goes on while its daemon is halted, as a child process does, and ends with it when it is killed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from queuectl.domain.outcome import Outcome, Verdict
from queuectl.domain.priority import QUEUES
from queuectl.domain.task import Claimed
from queuectl.settings import Isolation
from queuectl_daemon.actors import AttemptFailedError, Attempts
from tests.simulation.weather import Weather
from tests.simulation.world import Actor, World

Done = Callable[[Outcome], None]
_STOPPING_SECONDS = 0.2


class Run:
    """A handler at work."""

    def __init__(self, work: Claimed, done: Done) -> None:
        self.work = work
        self.done: Done | None = done
        self.is_cancelled = False

    def end(self, outcome: Outcome) -> None:
        """Report, once."""
        done, self.done = self.done, None
        if done is not None:
            done(outcome)


class SimulatedRunner:
    """What the daemon asks of its runner. ``saw`` is the witness: told of event, node and run as they happen."""

    def __init__(
        self, world: World, weather: Weather, node: str, saw: Callable[[str, str, Claimed], None]
    ) -> None:
        self._world = world
        self._weather = weather
        self._node = node
        self._saw = saw
        self._chance = weather.stream(f"runner {node}")
        self._daemon = Actor(node, "runner")
        # Children are no part of the halted process, but do not outlive it.
        self._children = Actor(f"{node} children", "child")
        self.runs: dict[tuple[int, int], Run] = {}

    def is_async(self, handler: str) -> bool:
        """Tell whether a handler runs in the event loop."""
        return handler == "loop"

    def needs_process(self, work: Claimed) -> bool:
        """Tell whether a task runs in a child whatever its handler is."""
        return False

    def kinds(self) -> Mapping[str, Isolation]:
        """Return the kind of every handler."""
        return {"work": "process", "loop": "async"}

    def take_up(self, work: Claimed, done: Done) -> bool:
        """Begin a run; its handler is called a moment later."""
        run = self.runs[work.id, work.fence] = Run(work, done)
        late = self._strikes("late_start")
        delay = self._chance.choice([0.3, 1.2, 4.0]) if late else self._chance.uniform(0.0, 0.004)
        self._world.after(delay, self._children, lambda: self._begin(run))
        return True

    def run(self, work: Claimed) -> Outcome:
        """End the simulation: every run is taken up, so nothing may come here."""
        raise AssertionError(f"task_{work.id} was not taken up")

    def cancel(self, task: int, fence: int) -> None:
        """Ask a run to end: it does so soon."""
        run = self.runs.get((task, fence))
        if run is not None:
            run.is_cancelled = True
            delay = self._chance.uniform(0.0, _STOPPING_SECONDS)
            self._world.after(delay, self._children, lambda: self._end(run, Outcome(Verdict.CANCELLED)))

    def interrupt(self) -> None:
        """End all runs: the daemon is about to stop."""
        for run in list(self.runs.values()):
            outcome = Outcome(Verdict.INTERRUPTED, error="interrupted")
            delay = self._chance.uniform(0.0, _STOPPING_SECONDS)
            self._world.after(delay, self._children, partial(self._end, run, outcome))

    def _begin(self, run: Run) -> None:
        if run.done is None:
            return
        work = run.work
        if work.begin_by is not None and self._world.monotonic() > work.begin_by:
            self._report(run, Outcome(Verdict.INTERRUPTED, began=False))
            return
        if run.is_cancelled:
            self._report(run, Outcome(Verdict.CANCELLED))
            return
        self._saw("start", self._node, work)
        seconds, outcome = self._course(work)
        if outcome is not None:
            self._world.after(seconds, self._children, lambda: self._end(run, outcome))

    def _course(self, work: Claimed) -> tuple[float, Outcome | None]:
        """Return how long a run takes and how it ends; one that hangs is ended by its limit."""
        facts: dict[str, Any] = json.loads(work.metadata)
        plan = facts.get("plan", [])
        wish = plan[work.attempt - 1] if 0 < work.attempt <= len(plan) else "ok"
        seconds = facts.get("seconds", 0.01)
        limit = work.timeout or 60.0
        match self._strikes("crash", "hang", "lost_result") or wish:
            case "crash" | "lost_result":
                return seconds, Outcome(Verdict.CRASHED, error="the process died")
            case "hang":
                return limit, Outcome(Verdict.TIMED_OUT, error="it took too long")
            case "fail":
                return seconds, Outcome(Verdict.FAILED, error="it failed")
            case "later":
                return seconds, Outcome(Verdict.FAILED, error="come back", retry_after=0.7)
            case "hold":
                return seconds, Outcome(Verdict.FAILED, error="not now", retry_after=1.5, hold_host=True)
            case "refuse":
                return seconds, Outcome(Verdict.REFUSED, error="never")
            case _:
                pass
        result = json.dumps({"fence": work.fence, "attempt": work.attempt})
        if seconds > limit:
            return limit, Outcome(Verdict.TIMED_OUT, error="it took too long")
        return seconds, Outcome(Verdict.SUCCEEDED, result=result)

    def _end(self, run: Run, outcome: Outcome) -> None:
        if run.done is None or (run.work.id, run.work.fence) not in self.runs:
            return
        self._saw("end", self._node, run.work)
        self._report(run, outcome)

    def _report(self, run: Run, outcome: Outcome) -> None:
        self.runs.pop((run.work.id, run.work.fence), None)
        self._world.after(0.0002, self._daemon, lambda: run.end(outcome))

    def _strikes(self, *kinds: str) -> str | None:
        return self._weather.strikes(self._world.monotonic(), *kinds, share=0.4)


class SimulatedCrew:
    """The workers: so many runs at a time, the most urgent first; what the threads of Dramatiq do in real life."""

    def __init__(self, world: World, node: str, most: int, judge: Callable[[Claimed, Outcome], None]) -> None:
        self._world = world
        self._actor = Actor(node, "crew")
        self._most = most
        self._judge = judge
        self._runs = 0
        self._ready: list[Claimed] = []
        self.attempts: Attempts | None = None

    def hand_over(self, works: list[Claimed]) -> None:
        """Take in claimed tasks."""
        self._ready += works
        self._ready.sort(key=lambda work: QUEUES.index(work.queue))
        self._go_on()

    def admit(self) -> bool:
        """Let a run go on, for which there is room."""
        self._runs += 1
        return True

    def admit_at_once(self) -> bool:
        """Let another run go on if there is room."""
        if self._runs >= self._most:
            return False
        self._runs += 1
        return True

    def leave(self) -> None:
        """Take note that a run is over."""
        self._runs -= 1
        self._go_on()

    def occupy(self) -> None:
        """No thread is ever at work."""

    def vacate(self) -> None:
        """No thread is ever at work."""

    def _go_on(self) -> None:
        if self._ready:
            self._world.after(0.0001, self._actor, self._perform)

    def _perform(self) -> None:
        while self._ready and self._runs < self._most:
            work = self._ready.pop(0)
            assert self.attempts is not None
            try:
                self.attempts.perform(work.id, work.fence)
            except AttemptFailedError as error:
                self._judge(error.work, error.outcome)
