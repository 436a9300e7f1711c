"""What open pages are told as it happens: one reader for all of them, which reads only while somebody looks."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from queuectl.clock import monotonic
from queuectl.domain.event import Event
from queuectl.domain.selection import Selection
from queuectl.domain.status import EndedRun, RealtimeStatus, RunningTask
from queuectl.errors import QueuectlError
from queuectl.operations.events import EventStream
from queuectl.operations.monitor import Monitor
from queuectl_daemon.web.work import BusyError, Workers

logger = logging.getLogger("queuectl.web")

T = TypeVar("T")

LOOK_SECONDS = 1.0
MOST_LOOKING = 200
"""So many streams there may be at a time."""

_SHARE = 25
"""Reading takes at most one part in so many of the time."""

_RUNNING = 12
_RECENT = 12
_KEPT_SAMPLES = 300
_MOST_EVENTS = 1_000


@dataclass(frozen=True, slots=True)
class Sample:
    """How many tasks waited and ran at a moment (UTC milliseconds), and how many runs a minute there were."""

    at: int
    waiting: int
    running: int
    per_minute: float


@dataclass(frozen=True, slots=True)
class Moment:
    """Everything that was read in one look; ``trouble`` says why nothing could be.

    ``left_out`` is how many events before these were left out, None if nobody knows how many.
    """

    number: int
    status: RealtimeStatus | None
    running: tuple[RunningTask, ...] = ()
    recent: tuple[EndedRun, ...] = ()
    events: tuple[Event, ...] = ()
    left_out: int | None = 0
    samples: tuple[Sample, ...] = ()
    trouble: str | None = None


class Live:
    """Reads once a second while there are streams, and hands what it read to all of them."""

    def __init__(self, monitor: Monitor, workers: Workers) -> None:
        self._monitor = monitor
        self._workers = workers
        self._samples: deque[Sample] = deque(maxlen=_KEPT_SAMPLES)
        self._stream: EventStream | None = None
        self._was_torn = self._is_failing = False
        self._watchers: set[_Watcher] = set()
        self._reader: asyncio.Task[None] | None = None
        self._number = 0
        self._latest: Moment | None = None
        self._made_of = 0
        self._made: dict[Hashable, asyncio.Task[Any]] = {}
        self._is_closed = False

    @property
    def samples(self) -> tuple[Sample, ...]:
        """What is known of the last minutes."""
        return tuple(self._samples)

    def close(self) -> None:
        """End all streams."""
        self._is_closed = True
        if self._reader is not None:
            self._reader.cancel()
        for watcher in self._watchers:
            watcher.wake()

    def check_room(self) -> None:
        """Check that one more may look.

        Raises:
            BusyError: there are too many streams.
        """
        if len(self._watchers) >= MOST_LOOKING or self._is_closed:
            raise BusyError("so many follow what happens that no more can", hint="close a page, or try again")

    async def moments(self) -> AsyncIterator[Moment]:
        """Yield what is read from now on; whoever is slow gets the latest, with all events since the last one."""
        with self._watching() as watcher:
            while not self._is_closed:
                await watcher.changed.wait()
                watcher.changed.clear()
                if self._latest is not None and not self._is_closed:
                    yield watcher.taken(self._latest)

    async def once(self, moment: Moment, key: Hashable, make: Callable[[], T]) -> T:
        """Return what ``make`` makes of a moment in a worker: once for each key, however many streams want it.

        Raises:
            BusyError: too much is waiting already.
        """
        if moment.number != self._made_of:
            self._made_of, self._made = moment.number, {}
        task = self._made.get(key)
        if task is None:
            task = self._made[key] = asyncio.create_task(self._workers.call(make))
            task.add_done_callback(_seen)
        made: T = await asyncio.shield(task)  # whoever leaves takes it from nobody else
        return made

    @contextmanager
    def _watching(self) -> Iterator[_Watcher]:
        self.check_room()
        watcher = _Watcher()
        self._watchers.add(watcher)
        if self._reader is None or self._reader.done():
            self._reader = asyncio.create_task(self._read_on())
        try:
            yield watcher
        finally:
            self._watchers.discard(watcher)

    async def _read_on(self) -> None:
        self._stream, self._was_torn = None, False
        self._samples.clear()  # a line through the time in which nobody looked would be a guess
        while self._watchers:
            begun = monotonic()
            moment = await self._read()
            if moment is not None:
                self._latest = moment
                for watcher in self._watchers:
                    watcher.tell(moment)
            await asyncio.sleep(max(LOOK_SECONDS, (monotonic() - begun) * _SHARE))
        self._latest = None

    async def _read(self) -> Moment | None:
        """Return what there is now, None while the workers have so much to do that nothing could be read."""
        self._number += 1
        try:
            moment = await self._workers.call(self._look, self._number)
        except BusyError:
            return None
        except QueuectlError as error:
            logger.debug("the live view cannot read: %s", error.message)
        except Exception:  # whatever it is, the pages that are open wait for the next look
            if not self._is_failing:
                logger.exception("the live view cannot read", extra={"action": "live_view_failed"})
            self._is_failing = True
        else:
            self._is_failing = False
            return moment
        self._stream, self._was_torn = None, True
        return Moment(self._number, None, samples=self.samples, trouble="the database does not answer")

    def _look(self, number: int) -> Moment:
        if self._stream is None:
            self._stream = self._monitor.follow_events(Selection())
        status = self._monitor.get_realtime_status()
        waiting = sum(queue.waiting for queue in status.queues)
        running = sum(queue.running for queue in status.queues)
        rows, recent = self._monitor.running(_RUNNING), self._monitor.recent_ends(_RECENT)
        events = self._stream.poll()
        left_out = None if self._was_torn else max(0, len(events) - _MOST_EVENTS)
        self._was_torn = False
        self._samples.append(Sample(status.at, waiting, running, status.pace.per_minute))
        return Moment(
            number,
            status,
            running=tuple(rows),
            recent=tuple(recent),
            events=tuple(events[-_MOST_EVENTS:]),
            left_out=left_out,
            samples=self.samples,
        )


class _Watcher:
    """One stream: what it has not taken yet."""

    def __init__(self) -> None:
        self.changed = asyncio.Event()
        self._events: deque[Event] = deque(maxlen=_MOST_EVENTS)
        self._left_out: int | None = 0

    def wake(self) -> None:
        self.changed.set()

    def tell(self, moment: Moment) -> None:
        pushed_out = max(0, len(self._events) + len(moment.events) - _MOST_EVENTS)
        if self._left_out is not None:
            self._left_out = (
                None if moment.left_out is None else self._left_out + moment.left_out + pushed_out
            )
        self._events.extend(moment.events)
        self.changed.set()

    def taken(self, moment: Moment) -> Moment:
        events, left_out = tuple(self._events), self._left_out
        self._events.clear()
        self._left_out = 0
        return replace(moment, events=events, left_out=left_out)


def _seen(task: asyncio.Task[Any]) -> None:
    """Take note of how a task ended, for where everybody who waited for it has left."""
    if not task.cancelled():
        task.exception()


async def with_heartbeats(moments: AsyncIterator[bytes], seconds: float) -> AsyncIterator[bytes]:
    """Yield pieces of a stream, and a comment where none comes for a while, by which a client that left is noticed."""
    pending: asyncio.Task[bytes] | None = None
    try:
        while True:
            pending = pending or asyncio.ensure_future(anext(moments))
            done, _ = await asyncio.wait([pending], timeout=seconds)
            if not done:
                yield b": \n\n"
                continue
            try:
                piece = pending.result()
            except StopAsyncIteration:
                return
            finally:
                pending = None
            yield piece
    finally:
        if pending is not None:
            pending.cancel()
            with contextlib.suppress(asyncio.CancelledError, StopAsyncIteration, QueuectlError):
                await pending
