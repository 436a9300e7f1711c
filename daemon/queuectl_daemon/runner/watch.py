"""The one thread that ends runs: at their time limit, over their memory limit, and when a cancellation is ignored.

The threads that run tasks only wait for their child to speak or to die. This one also hears the fork server and
replaces it, and reads what children print, so that no child ever waits for a reader.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import selectors
import threading
from collections.abc import Callable
from dataclasses import dataclass

from queuectl.clock import monotonic
from queuectl.domain.outcome import Verdict
from queuectl.domain.task import Claimed
from queuectl_daemon.runner import family
from queuectl_daemon.runner.children import Child, Children
from queuectl_daemon.runner.forkserver import ForkServer
from queuectl_daemon.runner.frames import Cancel
from queuectl_daemon.runner.memory import MemoryWatch

_LOGGER = logging.getLogger(__name__)

CANCEL_PATIENCE = 5.0
"""Seconds in which a handler may end by itself after a person asked to cancel it."""
HALT_PATIENCE = 10.0
"""Seconds after which a child that somebody has halted is taken for dead."""

_LOOK_EVERY = 2.0  # seconds, when nothing is due earlier
_LOOK_EVERY_UNHEARD = 0.1  # seconds, while a child's output has to be looked for
_PAUSE_AFTER_ERROR = 0.1
_LONGEST_RESTART_PAUSE = 5.0
_QUICK_END = (
    1.0  # a fork server that ends sooner than this after its start will not get far the next time either
)


@dataclass(slots=True, eq=False)
class Run:
    """A run in a child process; ``forced`` is the verdict of whoever ended it, and is set once."""

    work: Claimed
    child: Child
    deadline: float | None
    memory: MemoryWatch | None
    is_cancelled: bool = False
    kill_at: float | None = None
    halted_since: float | None = None
    halt_look: float = 0.0
    forced: Verdict | None = None
    is_settled: bool = False

    def next_look(self, now: float) -> float:
        """Return when this run needs attention."""
        moments = [self.deadline, self.kill_at, self.memory.next_look if self.memory else None]
        return min([now + _LOOK_EVERY, *(moment for moment in moments if moment is not None)])


class Watch:
    """Watches over the runs in child processes, from ``start`` to ``stop``."""

    def __init__(self, fork_server: ForkServer, limit: int) -> None:
        self.children = Children(fork_server, limit, self._wake)
        self._fork_server = fork_server
        self._lock = threading.Lock()
        self._runs: set[Run] = set()
        self._interrupted = False
        self._stopping = False
        self._selector = selectors.DefaultSelector()
        self._bell, self._clapper = os.pipe()
        self._woken = False
        self._next_look = 0.0
        self._restart_at: float | None = None
        self._restart_pause = 0.1
        self._started_at = 0.0
        self._unheard: list[Child] = []
        self._thread = threading.Thread(target=self._watch, name="runner-watch", daemon=True)

    def start(self) -> None:
        """Start the fork server and this thread."""
        self._fork_server.end_leftovers()
        self._fork_server.start()
        self._started_at = monotonic()
        for descriptor in (self._bell, self._clapper):
            os.set_blocking(descriptor, False)
        self._listen(self._bell, self._hush)
        self._listen(self._fork_server.control.fileno(), self._hear)
        self._thread.start()

    def stop(self) -> None:
        """End all runs, all children and the fork server; nothing of them is left afterwards."""
        self.interrupt()
        if self._stopping:
            return
        self._stopping = True
        self._wake()
        if self._thread.ident is not None:
            self._thread.join()
        self._fork_server.stop()
        self.children.lose_all()
        self.children.wait_until_gone()
        self._tidy()
        self._woken = True  # nobody may ring a bell that is given back
        self._selector.close()
        os.close(self._bell)
        os.close(self._clapper)

    @property
    def is_healthy(self) -> bool:
        """Whether children can be made."""
        return self._thread.is_alive() and self._restart_at is None

    def begin(self, work: Claimed, child: Child) -> Run:
        """Watch over a run from now on."""
        now = monotonic()
        run = Run(
            work,
            child,
            None if work.timeout is None else now + work.timeout,
            None if work.memory_limit is None else MemoryWatch(child.pid, work.memory_limit, now),
        )
        with self._lock:
            self._runs.add(run)
            interrupted = self._interrupted
        if interrupted:
            self._force(run, Verdict.INTERRUPTED)
        elif run.next_look(now) < self._next_look:
            self._wake()
        return run

    def settle(self, run: Run) -> Verdict | None:
        """Stop watching over a run, which is over; return who ended it, or None if it ended by itself."""
        with self._lock:
            run.is_settled = True
            self._runs.discard(run)
            return run.forced

    def cancel(self, run: Run) -> None:
        """Tell the handler that it is cancelled, and end it by force if it goes on."""
        run.is_cancelled = True
        run.kill_at = monotonic() + CANCEL_PATIENCE
        run.child.channel.send_at_once(Cancel(run.work.id, run.work.fence))
        self._wake()

    def interrupt(self) -> None:
        """End every run now, and let none start any more."""
        with self._lock:
            self._interrupted = True
            runs = list(self._runs)
        self.children.close()
        for run in runs:
            self._force(run, Verdict.INTERRUPTED)

    def _force(self, run: Run, verdict: Verdict) -> None:
        with self._lock:
            if run.is_settled or run.forced is not None:
                return
            run.forced = verdict
        if not run.child.has_ended.is_set():
            family.end_family(run.child.pid)
        run.child.channel.hang_up()

    def _watch(self) -> None:
        while not self._stopping:
            try:
                self._watch_once()
            except Exception:
                _LOGGER.exception("the watch over running tasks met an error and goes on")
                threading.Event().wait(_PAUSE_AFTER_ERROR)

    def _watch_once(self) -> None:
        now = monotonic()
        with self._lock:
            moments = [run.next_look(now) for run in self._runs]
        if self._restart_at is not None:
            moments.append(self._restart_at)
        if self._unheard:
            moments.append(now + _LOOK_EVERY_UNHEARD)
        self._next_look = min([now + _LOOK_EVERY, *moments])
        for key, _ in self._selector.select(max(self._next_look - now, 0)):
            key.data()
        self._tidy()
        if self._restart_at is not None and monotonic() >= self._restart_at:
            self._restart()
        self._look()
        self.children.retire_idle()

    def _look(self) -> None:
        now = monotonic()
        # One look at all processes of the machine serves every run, if any needs it.
        families = functools.cache(family.kin)
        with self._lock:
            runs = list(self._runs)
        failure: OSError | None = None
        for run in runs:
            try:
                self._look_at(run, now, families)
            except OSError as error:
                failure = error  # the others have their limits too
        if failure is not None:
            raise failure

    def _look_at(self, run: Run, now: float, families: Callable[[], family.Kin]) -> None:
        if run.kill_at is not None and now >= run.kill_at:
            self._force(run, Verdict.CANCELLED)
        elif run.deadline is not None and now >= run.deadline:
            self._force(run, Verdict.TIMED_OUT)
        elif run.memory is not None and self._is_over_memory(run, run.memory, now, families):
            self._force(run, Verdict.OVER_MEMORY)
        elif self._is_halted(run, now):
            self._force(run, Verdict.CRASHED)

    def _is_over_memory(
        self, run: Run, memory: MemoryWatch, now: float, families: Callable[[], family.Kin]
    ) -> bool:
        if now < memory.next_look:
            return False
        if memory.is_over(now, families):
            return True
        with self._lock:
            # Once the run is over the child belongs to the next one, which has its own limit or none.
            if not run.is_settled:
                memory.move_wall()
        return False

    def _is_halted(self, run: Run, now: float) -> bool:
        if now < run.halt_look:
            return False
        run.halt_look = now + _LOOK_EVERY
        if not family.is_stopped(run.child.pid):
            run.halted_since = None
            return False
        if run.halted_since is None:
            run.halted_since = now
        return now - run.halted_since >= HALT_PATIENCE

    def _hear(self) -> None:
        reports = self._fork_server.reports()
        if reports is None:
            self._selector.unregister(self._fork_server.control)
            if not self._stopping:
                self._lose_fork_server()
            return
        for report in reports:
            self.children.note(report)

    def _lose_fork_server(self) -> None:
        _LOGGER.error("the fork server ended, and with it the tasks that it ran; it is started again")
        now = monotonic()
        quick = now - self._started_at < _QUICK_END
        self._restart_pause = min(self._restart_pause * 2, _LONGEST_RESTART_PAUSE) if quick else 0.0
        # First of all: nobody will hear of that end again.
        self._restart_at = now + self._restart_pause
        self._end_fork_server()

    def _restart(self) -> None:
        try:
            self._fork_server.start()
            self._listen(self._fork_server.control.fileno(), self._hear)
        except OSError as error:
            _LOGGER.error("the fork server cannot be started: %s", error)  # noqa: TRY400 - the reason says it all
            self._restart_at = monotonic() + _LONGEST_RESTART_PAUSE
            self._end_fork_server(error)  # it may run, and would not be heard
            return
        self._restart_at = None
        self._started_at = monotonic()

    def _end_fork_server(self, because: OSError | None = None) -> None:
        try:
            self._fork_server.stop(because)
        finally:
            self.children.lose_all()

    def _tidy(self) -> None:
        """Begin to read the output of new children, and give back what retired ones held."""
        # Taken out first: whoever is in it has arrived before.
        gone = [self.children.retired.popleft() for _ in range(len(self.children.retired))]
        while self.children.arrived:
            self._unheard.append(self.children.arrived.popleft())
        self._unheard = [child for child in self._unheard if child not in gone and not self._hears(child)]
        for child in gone:
            self._ignore(child.output.descriptor)
            os.close(child.output.descriptor)
            child.channel.close()

    def _hears(self, child: Child) -> bool:
        """Read a child's output as it comes from now on; where the system refuses that, what is there by now."""
        output = child.output
        try:
            self._listen(output.descriptor, functools.partial(self._drain, output.descriptor, output.drain))
        except OSError:
            output.drain()
            return False
        return True

    def _drain(self, descriptor: int, drain: Callable[[], bool]) -> None:
        if not drain():
            self._ignore(descriptor)

    def _listen(self, descriptor: int, react: Callable[[], object]) -> None:
        self._selector.register(descriptor, selectors.EVENT_READ, react)

    def _ignore(self, descriptor: int) -> None:
        with contextlib.suppress(KeyError):
            self._selector.unregister(descriptor)

    def _wake(self) -> None:
        if not self._woken:
            self._woken = True
            with contextlib.suppress(OSError):
                os.write(self._clapper, b"!")

    def _hush(self) -> None:
        # In this order: who rings between the two is not heard, and what he rang for is looked at next anyway.
        # The other way round a ring could be read away with the bell still taken for rung.
        os.read(self._bell, 4096)
        self._woken = False
