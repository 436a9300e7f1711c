"""The pump: one thread that does all the daemon's hot-path SQL, one transaction a tick.

A tick records the runs that have ended, claims the messages that have come, sends due tasks to
their queues and takes as many as there is room for. Only after the commit do claimed tasks run
and messages go out, so nothing is ever acted on that is not durable.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence

from queuectl.clock import monotonic, now_ms
from queuectl.domain.admission import QueueRules
from queuectl.domain.ending import Ending
from queuectl.domain.lifecycle import Move
from queuectl.domain.priority import QUEUES
from queuectl.domain.task import Claimed
from queuectl.errors import ConflictError, QueuectlError
from queuectl.store import nodes
from queuectl.store.database import Database
from queuectl_daemon.capacity import Capacity
from queuectl_daemon.endings import never_began, unrecordable
from queuectl_daemon.filling import Filling
from queuectl_daemon.flights import Flights, Key
from queuectl_daemon.punctuality import Punctuality
from queuectl_daemon.recovery import LEASE_MS
from queuectl_daemon.rest import Rest
from queuectl_daemon.taking import Taking
from queuectl_daemon.tick import Tick, UnrecordableError
from queuectl_daemon.transport import RedisTransport
from queuectl_daemon.view import View
from queuectl_daemon.window import Pace

logger = logging.getLogger("queuectl.daemon")

GROUP = 32
"""This many ends are recorded at once, without waiting for more."""

_GATHER_SECONDS = 0.005
_LOOK_SECONDS = 0.25
_LARGEST_GROUP = 512
_SQLITE_GAP_SECONDS = 0.005
_DOWN_PAUSE_SECONDS = 0.5
_BEAT_SECONDS = 1.0
_MOST_STUMBLES = 20
_STUMBLE_PAUSE_SECONDS = 0.1
_COMPARE_SECONDS = 2.0

_TRUSTED_SECONDS = 3.5
"""This long after its last tick a node still starts what it has claimed; after 5 s of silence others take it over."""


class Pump(threading.Thread):
    """Move tasks between the database and the workers.

    ``hand_over`` gives claimed tasks to the workers, ``cancel`` asks for the end of a run, ``scale`` for
    another number of workers, ``on_rules`` is told what people have set for the queues, ``on_tick`` how long
    a tick took and how much it did; what ``describe`` returns, the node as it sees itself, is stored every second.
    """

    def __init__(
        self,
        database: Database,
        flights: Flights,
        *,
        node: str,
        capacity: Capacity,
        aging: bool,
        hand_over: Callable[[list[Claimed]], None],
        cancel: Callable[[int, int], None],
        scale: Callable[[int], None],
        on_rules: Callable[[Mapping[str, QueueRules]], None],
        describe: Callable[[Pace], nodes.NodeReport],
        on_tick: Callable[[float, int, int], None],
    ) -> None:
        super().__init__(name="pump", daemon=True)
        self._database = database
        self._flights = flights
        self._node = node
        self._hand_over, self._cancel, self._scale = hand_over, cancel, scale
        self._on_rules, self._on_tick, self._describe = on_rules, on_tick, describe
        self.transport: RedisTransport | None = None
        self._punctuality = Punctuality()
        self._capacity = capacity
        self.stale = self.articles_stored = self.steps = 0
        self.failure: BaseException | None = None
        self._bell, self._full, self._pause = threading.Event(), threading.Event(), threading.Event()
        self._fetched: deque[Key] = deque()
        self._view = View(aging=aging)
        self._look = True
        self._reconcile = self._draining = self._stopping = self.is_down = self.delivers = False
        self._stumbles = 0
        self._group = _LARGEST_GROUP
        self._last_tick = self._last_look = self._last_beat = 0.0
        self._comparisons = Rest(_COMPARE_SECONDS)

    def wake(self) -> None:
        """Look at once: something was submitted, cancelled, paused or resumed."""
        self._look = True
        self._ring()

    def finish(self, ending: Ending) -> None:
        """Take in the end of a run."""
        waiting = self._flights.finish(ending)
        if not self._bell.is_set():
            self._bell.set()
        if waiting >= GROUP:
            self._full.set()

    def receive(self, messages: list[Key]) -> None:
        """Take in messages that came through the transport."""
        self._fetched.extend(messages)
        self._bell.set()
        if not self._flights.unbegun:
            self._full.set()

    def transport_lost(self) -> None:
        """Send what this node dispatched out again, under a new fence: the transport has lost its data."""
        self._reconcile = True
        self.wake()

    def transport_switched(self, up: bool) -> None:
        """Go on without the transport while it is down; what it held goes out again."""
        if not up:
            self._reconcile = True
        self.wake()

    def drain(self) -> None:
        """Start nothing more, and give back what has not begun."""
        self._flights.grounded = True
        self._draining = True
        if self.transport is not None:
            self.transport.end_popping()  # what was popped already is claimed and given back
        self._ring()

    def stop(self) -> None:
        """End the thread after a last tick."""
        self._stopping = True
        self._ring()

    def _ring(self) -> None:
        self._bell.set()
        self._full.set()

    def run(self) -> None:
        """Tick until stopped."""
        try:
            self._database.checkpoint_here()
            while not self._stopping:
                self._wait()
                self._step()
            self._step()  # what it claims is given back
            self._step()  # and that is recorded
        except BaseException as error:  # the service must learn of it, whatever it is
            self.failure = error
            logger.critical("the pump has failed", exc_info=True, extra={"action": "pump_failed"})
        finally:
            self._database.close()

    def _wait(self) -> None:
        pause, now = _LOOK_SECONDS, now_ms()
        moment = self._view.next_moment(now)
        if moment is not None:
            pause = min(pause, max(0.0, (moment - now) / 1000))
        self._bell.wait(pause)
        self._bell.clear()
        self._full.clear()
        if self._may_gather():
            self._full.wait(_GATHER_SECONDS)
        if self._database.engine == "sqlite" and not self._look:
            # Another writer may wait for SQLite's one write lock, and its queue is not fair. Whoever
            # rang has had it.
            gap = self._last_tick + _SQLITE_GAP_SECONDS - monotonic()
            if gap > 0 and not self._stopping:
                self._pause.wait(gap)

    def _may_gather(self) -> bool:
        """Tell whether to wait a little for more ends: no worker idles meanwhile, and nobody waits for a look."""
        if self._look or self._draining or self._stopping or not self._flights.unbegun:
            return False
        return self._flights.unrecorded < GROUP

    def _step(self) -> None:
        try:
            self._tick()
        except ConflictError:
            self._view = self._view.before_tick()
            self.wake()  # another writer was in the way, and everything was undone: once more
        except QueuectlError as error:
            self._went_down(error)
        except Exception as error:  # noqa: BLE001  one end that cannot be stored must not stop the others
            self._stumble(error)
        else:
            self._came_up()
        self.steps += 1

    def _stumble(self, error: Exception) -> None:
        """After an unforeseen error, record ends one at a time and replace the one that cannot be stored."""
        self._stumbles += 1
        logger.error("a tick has failed", exc_info=error, extra={"action": "tick_failed"})
        if self._stumbles > _MOST_STUMBLES:
            raise error
        if self._group == 1 and isinstance(error, UnrecordableError):
            self._flights.replace_first(lambda ending: unrecordable(ending, error))
        self._group = 1
        self._distrust()
        self._pause.wait(_STUMBLE_PAUSE_SECONDS)

    def _distrust(self) -> None:
        """After a failed tick nothing is known for certain, not even whether it was committed."""
        self._view = View(aging=self._view.aging)
        self._reconcile = self._look = True

    def _went_down(self, error: QueuectlError) -> None:
        if not self.is_down:
            logger.error(
                "%s; nothing new starts until it is back", error.message, extra={"action": "database_down"}
            )
        self.is_down = True
        self._distrust()
        if not self._stopping:
            self._bell.wait(_DOWN_PAUSE_SECONDS)

    def _came_up(self) -> None:
        if self.is_down:
            logger.info("the database is back", extra={"action": "database_up"})
            self.is_down = False
        # However many ends cannot be stored, each of them costs one stumble and the next tick gets on.
        self._stumbles = 0
        if self._flights.unrecorded:
            self._bell.set()  # more ended than went into one transaction
        else:
            self._group = _LARGEST_GROUP

    def _tick(self) -> None:
        started = monotonic()
        looking = self._begin_look(started)
        endings, seconds = self._flights.take_ended(self._group)
        messages = self._take_messages()
        # It may be asked for again while the transaction runs, and must then be done again.
        reconcile, self._reconcile = self._reconcile, False
        self._view.reopen(now_ms(), ended=bool(endings))
        lists = self._capacity.lists(self.transport)
        beats = started - self._last_beat >= _BEAT_SECONDS
        try:
            with self._database.writing() as transaction:
                tick = Tick(transaction, self._node, self._view)
                taking = Taking(
                    transaction, self._node, self._view, self._punctuality, self._capacity.of_kinds()
                )
                if reconcile:
                    tick.reconcile(self._flights.keys())
                tick.record(endings, delivers=self.delivers)
                tick.keep_logs(self._flights.logs, endings, live=beats)
                if looking and self._comparisons.is_over:
                    with self._comparisons.after():
                        tick.compare(self._flights.keys())
                if looking:
                    tick.look(self._cancel if self._flights.keys() else None)
                tick.keep_holds()
                tick.claim(messages)
                tick.promote(looking=looking)
                if not self._draining and self._capacity.workers:
                    has_lists = self.transport is not None
                    filling = Filling(taking, self._capacity, tick.claimed, self._fetched, has_lists)
                    filling.fill(lists, looking=looking)
                tick.note_hosts(taking.last_starts)
                if beats:
                    nodes.save(transaction, self._describe(self._capacity.pace), LEASE_MS)
        except BaseException:
            self._flights.put_back(endings)
            self._fetched.extendleft(reversed(messages))
            self._reconcile |= reconcile
            raise
        self._flights.logs.saved(tick.said)
        self.stale += len(endings) - len(tick.recorded)
        self._capacity.pace.note(len(endings), seconds, started - self._last_tick)
        self._last_tick = started
        self._last_beat = started if beats else self._last_beat
        self._on_tick(monotonic() - started, len(tick.recorded), len(tick.claimed) + len(taking.claimed))
        self._act(tick, taking, endings)
        self._renew_trust(started)

    def _take_messages(self) -> list[Key]:
        return [self._fetched.popleft() for _ in range(min(len(self._fetched), _LARGEST_GROUP))]

    def _renew_trust(self, started: float) -> None:
        """Let claimed tasks start for as long as no other node can take this one for dead.

        Those whose start was refused meanwhile have lost their message, so they go back.
        """
        if monotonic() > self._flights.trusted_until:
            self._give_back(self._flights.drop_waiting(QUEUES))
        self._flights.trusted_until = started + _TRUSTED_SECONDS

    def _begin_look(self, now: float) -> bool:
        if not self._look and now - self._last_look < _LOOK_SECONDS:
            return False
        self._look = False
        self._last_look = now
        self._view.forget()
        return True

    def _act(self, tick: Tick, taking: Taking, endings: Sequence[Ending]) -> None:
        """Act on what is now durable."""
        self._learn(tick)
        self._flights.remove(endings)
        self.articles_stored += tick.articles
        self._look |= any(each.move is Move.RELEASE for each in tick.recorded)
        if self._look or taking.has_more:
            self._bell.set()
        if claimed := tick.claimed + taking.claimed:
            try:
                self._flights.add(claimed, taking.windows)
                self._hand_over(claimed)
            except BaseException:  # nobody else would ever hand over what waits now
                self._give_back(self._flights.drop_waiting(QUEUES))
                raise
        for task, fence in tick.revoked:
            self._cancel(task, fence)
        if self.transport is not None and self.transport.up:
            self.transport.push(taking.dispatched)
            if self._capacity.workers and not self._draining and self._capacity.may_invite(self.transport):
                self.transport.invite(self._capacity.to_invite(len(self._fetched), self._view.paused))
        unwanted = QUEUES if self._draining else self._view.paused
        self._give_back(self._flights.drop_unwanted(unwanted, self._view.holds))

    def _learn(self, tick: Tick) -> None:
        """Take in what is now known of rules and workers, and of how and whether starts that count have happened."""
        self._on_rules(self._view.rules)
        if tick.wanted_workers not in (None, self._capacity.workers):
            self._scale(tick.wanted_workers)
            self._last_beat = 0.0  # so that whoever wanted it soon reads that it is so
        if tick.became_limited:
            self._give_back(self._flights.drop_waiting(tick.became_limited))
        for queue, at in self._flights.uncounted(tick.recorded):
            self._view.refund(queue, at)
        for seconds in self._flights.take_delays():
            self._punctuality.note(seconds)

    def _give_back(self, works: Sequence[Claimed]) -> None:
        for work in works:
            self.finish(never_began(work))
