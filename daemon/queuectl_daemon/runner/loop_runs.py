"""Runs in the event loop: ``async def`` handlers, hundreds at a time, all on one thread.

The thread that hands a run over goes on at once, and hears of its end by a call from the loop's thread. A second
thread, which sleeps while nothing runs, tells runs to end at their time limit, gives up those that go on all the
same, and says whose code keeps the loop from everybody else.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import math
import threading
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import cast

from queuectl.clock import monotonic
from queuectl.domain.outcome import Outcome, Verdict
from queuectl.domain.task import Claimed, task_name
from queuectl.handlers.contract import Handler
from queuectl_daemon.runner import outcomes
from queuectl_daemon.runner.direct_context import DirectContext, Report, handler_task
from queuectl_daemon.runner.stall import Stall
from queuectl_daemon.runner.watch import CANCEL_PATIENCE

_LOGGER = logging.getLogger(__name__)

LIMIT_PATIENCE = 1.5
"""Seconds in which a handler may tidy up after it was told to end at its time limit."""

_LOOK_EVERY = 0.5  # seconds, while anything runs
_LAST_PATIENCE = 1.0  # seconds for the loop to end

Done = Callable[[Outcome], None]


@dataclass(slots=True, eq=False)
class LoopRun:
    """One run; ``told`` is why it was told to end, ``give_up_at`` when it is left to itself if it has not ended."""

    work: Claimed
    handler: Handler
    context: DirectContext
    done: Done
    deadline: float | None
    task: asyncio.Task[Outcome] | None = None
    told: Verdict | None = None
    give_up_at: float | None = None
    is_abandoned: bool = False

    @property
    def facts(self) -> dict[str, object]:
        """What a line of the log says of it."""
        work = self.work
        return {"task_id": task_name(work.id), "attempt": work.attempt, "queue": work.queue}


class NoLoopError(Exception):
    """The system does not give what an event loop needs; raised from what it said."""


class LoopRuns:
    """Runs tasks in one event loop, whose threads begin with the first of them."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._runs: dict[tuple[int, int], LoopRun] = {}
        self._arrived: deque[LoopRun] = deque()
        self._is_called = False
        self._changing = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stall: Stall | None = None
        self._threads: list[threading.Thread] = []
        self._bell = threading.Event()
        self._next_look = math.inf
        self._interrupted = False
        self._stopping = False
        self.abandoned = 0
        """How many handlers go on in the loop although their run has ended."""

    def start(self, work: Claimed, handler: Handler, done: Done) -> None:
        """Begin a run and return; ``done`` is called once with its outcome, from another thread.

        Raises:
            NoLoopError: Nothing has begun.
        """
        now = monotonic()
        deadline = None if work.timeout is None else now + work.timeout
        run = LoopRun(work, handler, DirectContext(work, self._report), done, deadline)
        self._runs[work.id, work.fence] = run
        if self._interrupted:
            self._end(run, outcomes.interrupted())
            return
        if self._loop is None:
            try:
                self._begin()
            except Exception as error:
                self._runs.pop((work.id, work.fence), None)
                raise NoLoopError(f"the event loop cannot be started: {error}") from error
        self._arrived.append(run)
        if not self._is_called:
            self._is_called = True
            self._call(self._take_in)
        if self._next_look == math.inf or (deadline is not None and deadline < self._next_look):
            self._bell.set()

    def cancel(self, task: int, fence: int) -> None:
        """Cancel a run because a person asked: what it awaits raises CancelledError."""
        run = self._runs.get((task, fence))
        if run is not None:
            run.context.is_cancelled = True
            self._tell(run, Verdict.CANCELLED, CANCEL_PATIENCE)

    def interrupt(self) -> None:
        """Cancel every run because the daemon ends, and let none begin any more."""
        self._interrupted = True
        for run in list(self._runs.values()):
            run.context.is_interrupted = True
            self._tell(run, Verdict.INTERRUPTED, CANCEL_PATIENCE)

    def stop(self) -> None:
        """End the threads; what has not ended by then is left behind."""
        self.interrupt()
        self._stopping = True
        self._bell.set()
        if self._loop is not None:
            self._call(self._loop.stop)
        for thread in self._threads:
            thread.join(_LAST_PATIENCE)

    # What other threads do.

    def _begin(self) -> None:
        """Start the threads, if nobody has; where one cannot be started, the next run tries again."""
        with self._changing:
            if not self._threads:
                watcher = threading.Thread(target=self._watch, name="event-loop-watch", daemon=True)
                watcher.start()
                self._threads.append(watcher)
            if self._loop is None:
                loop = asyncio.new_event_loop()
                server = threading.Thread(target=self._serve, args=(loop,), name="event-loop", daemon=True)
                try:
                    server.start()
                except BaseException:
                    loop.close()
                    raise
                self._threads.append(server)
                self._stall = Stall(loop, server, self._call)
                self._loop = loop

    def _call(self, function: Callable[[], object]) -> None:
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # it is closed, and everything in it has ended
                self._loop.call_soon_threadsafe(function)

    def _tell(self, run: LoopRun, why: Verdict, patience: float) -> None:
        if run.told is None:
            run.told = why
            run.give_up_at = monotonic() + patience
            self._call(lambda: self._cancel(run))
            self._bell.set()

    def _end(self, run: LoopRun, outcome: Outcome) -> None:
        """End a run, once: whoever takes it out of the list says how."""
        with self._changing:
            is_ours = self._runs.pop((run.work.id, run.work.fence), None) is run
        if is_ours:
            run.done(outcome)

    # The watching thread.

    def _watch(self) -> None:
        while not self._stopping:
            now = monotonic()
            # Until the next look is known again, whoever starts a run rings: it may not be in the list any more.
            self._next_look = math.inf
            moments = [self._moment(run) for run in list(self._runs.values())]
            if moments:
                self._next_look = min([now + _LOOK_EVERY, *(each for each in moments if each is not None)])
            self._bell.wait(max(0.0, self._next_look - now) if moments else None)
            self._bell.clear()
            try:
                self._look(monotonic())
            except Exception:
                _LOGGER.exception("the watch over the event loop met an error and goes on")

    @staticmethod
    def _moment(run: LoopRun) -> float | None:
        return run.deadline if run.told is None else run.give_up_at

    def _look(self, now: float) -> None:
        for run in list(self._runs.values()):
            if run.told is None and run.deadline is not None and now >= run.deadline:
                self._tell(run, Verdict.TIMED_OUT, LIMIT_PATIENCE)
            elif run.give_up_at is not None and now >= run.give_up_at:
                self._abandon(run)
        if self._stall is not None:
            self._stall.look(now, list(self._runs.values()))

    def _abandon(self, run: LoopRun) -> None:
        with self._changing:
            if self._runs.pop((run.work.id, run.work.fence), None) is not run:
                return  # it has ended after all
            run.is_abandoned = True
            self.abandoned += 1
        run.context.end_log()
        _LOGGER.warning(
            "the handler %s goes on although it was told to end; it is left to itself in the event loop"
            " (%d such now)",
            run.work.handler,
            self.abandoned,
            extra=run.facts,
        )
        run.done(_outcome(run, None))

    # The loop's thread.

    def _serve(self, loop: asyncio.AbstractEventLoop) -> None:
        asyncio.set_event_loop(loop)
        while not self._stopping:
            try:
                loop.run_forever()
            except BaseException:  # such as SystemExit in a task that a handler has started
                _LOGGER.exception("something in the event loop wanted to end it; it goes on")
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        if left:
            loop.run_until_complete(asyncio.wait(left, timeout=_LAST_PATIENCE / 2))
        loop.close()

    def _take_in(self) -> None:
        self._is_called = False
        while self._arrived:
            run = self._arrived.popleft()
            if run.told is not None:
                self._end(run, _outcome(run, None))
                continue
            run.task = asyncio.get_running_loop().create_task(_perform(run), name=task_name(run.work.id))
            run.task.add_done_callback(functools.partial(self._ended, run))

    @staticmethod
    def _cancel(run: LoopRun) -> None:
        if run.task is not None:
            run.task.cancel()

    def _ended(self, run: LoopRun, task: asyncio.Task[Outcome]) -> None:
        said = None if task.cancelled() else task.result()
        run.context.end_log()
        self._end(run, _outcome(run, said))
        if run.is_abandoned:
            with self._changing:
                self.abandoned -= 1
            _LOGGER.info("the handler that was left to itself has ended", extra=run.facts)


async def _perform(run: LoopRun) -> Outcome:
    """Run the handler to its end; no exception leaves this, or some of them would end the loop."""
    try:
        task = handler_task(run.work)
        outcomes.check_in_time(run.work.begin_by)
        value = run.handler(task, run.context)
        if hasattr(value, "__await__"):
            value = await cast(Awaitable[object], value)
        return outcomes.of_value(value, run.context.article)
    except BaseException as error:  # noqa: BLE001 - SystemExit and its like are failures as well
        return outcomes.of_error(error)


def _outcome(run: LoopRun, said: Outcome | None) -> Outcome:
    """Return how a run ended whose handler ``said`` this, or nothing; whoever told it to end has the last word."""
    match run.told:
        case Verdict.CANCELLED:
            return outcomes.cancelled()
        case Verdict.TIMED_OUT:
            return outcomes.timed_out(run.work.timeout)
        case Verdict.INTERRUPTED if said is None or said.verdict is not Verdict.SUCCEEDED:
            return outcomes.interrupted()
    return said or Outcome(Verdict.FAILED, error="CancelledError: nobody asked for it")
