"""The life of a child process: it takes one job after another from the daemon and answers each with a result.

It has one thread, so that a handler may fork, and it reads its socket only between jobs or when a handler asks
whether it is cancelled.
"""

from __future__ import annotations

import contextlib
import faulthandler
import json
import logging
import os
import resource
import signal
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from queuectl.domain.outcome import Outcome, Verdict
from queuectl.domain.task import task_name
from queuectl.handlers import registry
from queuectl.handlers.contract import Handler, HandlerTask
from queuectl.handlers.function import completed
from queuectl.settings import Settings
from queuectl_daemon.runner import family, kernel, memory, outcomes
from queuectl_daemon.runner.baseline import Baseline
from queuectl_daemon.runner.context import LOGGER, RunContext
from queuectl_daemon.runner.frames import (
    TO_CHILD,
    Cancel,
    Channel,
    Hello,
    Job,
    Line,
    Progress,
    Result,
    ToChild,
)

if TYPE_CHECKING:
    import asyncio

_OPEN_FILES = 4096
_NEARLY = 0.9  # of its limit; where a command that fails is taken to have failed for that


def serve(sock: socket.socket, output: int, settings: Settings, parent: int) -> None:
    """Be a child process until the daemon hangs up; ``output`` is the descriptor that takes what is printed."""
    _settle_in(output, settings.home, parent)
    child = _Child(Channel(sock, TO_CHILD), settings)
    _set_up_logging(child, settings.log_level)
    child.work()


class _Child:
    def __init__(self, channel: Channel[ToChild], settings: Settings) -> None:
        self._channel = channel
        self._settings = settings
        self._handlers: dict[str, Handler] = {}
        self._pid = os.getpid()
        self._streams = (sys.stdin, sys.stdout, sys.stderr)
        self._looking = threading.Lock()
        self._baseline = Baseline()
        self.context: ChildContext | None = None

    def work(self) -> None:
        self._channel.send(Hello(self._pid))
        wish: Cancel | None = None
        while (frame := self._channel.receive()) is not None:
            if isinstance(frame, Cancel):
                wish = frame  # for a run that is over, or for one whose job is on its way
            else:
                self._run(frame, is_cancelled=wish == Cancel(frame.task, frame.fence))

    def _run(self, job: Job, *, is_cancelled: bool) -> None:
        self.context = context = ChildContext(self._channel, job, self._looking, is_cancelled=is_cancelled)
        is_new = job.handler not in self._handlers
        outcome = self._outcome(job, context)
        if os.getpid() != self._pid:
            os._exit(0)  # the handler forked, and this is the copy coming back from it
        context.end_log()
        self.context = None
        self._restore_streams()
        if is_new:
            self._baseline.grow()
        flaw = self._baseline.flaw()
        if outcome.verdict is Verdict.OVER_MEMORY:
            flaw = (
                flaw or "has run out of memory"
            )  # how much the next run's descendants had could not be told apart
        try:
            self._channel.send(Result.of(outcome, flaw))
        except ValueError as error:
            failure = Outcome(Verdict.FAILED, error=f"the handler's result cannot be passed on: {error}")
            self._channel.send(Result.of(failure, flaw))

    def _outcome(self, job: Job, context: ChildContext) -> Outcome:
        failure: BaseException | None = None
        value: object = None
        peak = _peak_of_descendants()
        _set_wall(job.memory_limit)
        try:
            handler = self._handler(job.handler)
            outcomes.check_in_time(job.begin_by)
            if not context.cancelled:  # as it may be by now: to load a handler can take long
                value = completed(handler(_task(job), context), context.cancel_with_run)
        except BaseException as error:  # noqa: BLE001 - SystemExit and its like are failures as well
            failure = error
        if job.memory_limit is not None:
            _set_wall(None)
        if failure is None:
            return outcomes.of_value(value, context.article)
        if job.memory_limit is not None and _is_for_memory(failure, job.memory_limit, peak):
            return _over_memory(job.memory_limit)
        return outcomes.of_error(failure)

    def _handler(self, name: str) -> Handler:
        handler = self._handlers.get(name)
        if handler is None:
            handler = registry.load(name, self._settings)
            self._handlers[name] = handler
            self._baseline.settle()
        return handler

    def _restore_streams(self) -> None:
        sys.stdin, sys.stdout, sys.stderr = self._streams
        for stream in self._streams[1:]:
            with contextlib.suppress(OSError, ValueError):
                stream.flush()


class ChildContext(RunContext):
    """A run's context in a child process: what it says goes to the daemon as frames."""

    __slots__ = ("_cancel", "_cancelled", "_channel", "_job", "_looking")

    def __init__(
        self, channel: Channel[ToChild], job: Job, looking: threading.Lock, *, is_cancelled: bool
    ) -> None:
        super().__init__()
        self._channel = channel
        self._job = job
        self._looking = looking
        self._cancelled = is_cancelled
        self._cancel: Callable[[], object] | None = None

    @property
    def cancelled(self) -> bool:
        """True once the daemon has passed on a wish to cancel; looked up at every call."""
        cancel: Callable[[], object] | None = None
        with self._looking:
            wish = Cancel(self._job.task, self._job.fence)
            with contextlib.suppress(BlockingIOError):
                while not self._cancelled:
                    frame = self._channel.receive(socket.MSG_DONTWAIT)
                    self._cancelled = frame is None or frame == wish
            if self._cancelled:
                cancel, self._cancel = self._cancel, None
        if cancel is not None:
            cancel()
        return self._cancelled

    def cancel_with_run(self, task: asyncio.Task[Any]) -> None:
        """Cancel the task of an ``async def`` where it awaits, once the run is cancelled; called in its loop."""
        loop, wishes = task.get_loop(), self._channel.sock.fileno()

        def cancel() -> None:
            loop.remove_reader(wishes)
            task.cancel()

        def cancel_from_anywhere() -> None:
            with contextlib.suppress(RuntimeError):  # the loop has ended, and a thread of the handler asks
                loop.call_soon_threadsafe(cancel)

        self._cancel = cancel_from_anywhere
        loop.add_reader(wishes, lambda: self.cancelled)
        loop.call_soon(lambda: self.cancelled)  # what came with the job has been read already

    def report(self, fraction: float, note: str) -> None:
        """Send a report of progress."""
        self._send(Progress(fraction, note))

    def write(self, level: int, text: str) -> None:
        """Send one line for the daemon's log."""
        self._send(Line(level, text))

    def _send(self, frame: Progress | Line) -> None:
        # A lone surrogate has no UTF-8 form; a daemon that is gone needs no reports.
        with contextlib.suppress(UnicodeEncodeError, OSError):
            self._channel.send(frame)


class _Forward(logging.Handler):
    """Takes what libraries log to the log of the running task."""

    def __init__(self, child: _Child) -> None:
        super().__init__(logging.WARNING)
        self._child = child

    def emit(self, record: logging.LogRecord) -> None:
        context = self._child.context
        if context is not None:
            context.log.take(record.levelno, f"{record.name}: {self.format(record)}")


def _set_up_logging(child: _Child, level: str) -> None:
    logging.raiseExceptions = False
    logging.getLogger().addHandler(_Forward(child))
    LOGGER.setLevel(level.upper())


def _settle_in(output: int, home: Path, parent: int) -> None:
    os.setsid()
    kernel.die_with_parent()
    kernel.adopt_orphans()
    if os.getppid() != parent:
        os._exit(0)  # it ended before it could be watched
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (output, 1), (output, 2)):
        os.dup2(source, target)
    os.close(nothing)
    os.close(output)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - lives as long as the process
    sys.stdout = _writer(1)
    sys.stderr = _writer(2)
    faulthandler.enable(2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft > _OPEN_FILES:
        resource.setrlimit(resource.RLIMIT_NOFILE, (_OPEN_FILES, hard))
    os.chdir(home if home.is_dir() else "/")


def _writer(descriptor: int) -> Any:
    return open(descriptor, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)


def _task(job: Job) -> HandlerTask:
    metadata = {} if job.metadata == "{}" else json.loads(job.metadata)
    return HandlerTask(
        task_name(job.task), job.url, metadata, job.attempt, job.fence, job.queue, job.priority_score
    )


def _set_wall(limit: int | None) -> None:
    """Have the kernel refuse more memory than the limit; the daemon moves this wall while the run goes on.

    It is set or removed before every run, since the daemon may still have moved the last run's wall after its end.
    """
    if sys.platform != "linux":
        return
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    if limit is None:
        resource.setrlimit(resource.RLIMIT_DATA, (hard, hard))
        return
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")  # so that the peak is that of this run
    used, reserved = family.memory(os.getpid())
    wall = memory.wall(memory.effective_limit(limit, used), used, reserved)
    resource.setrlimit(resource.RLIMIT_DATA, (wall if hard < 0 else min(wall, hard), hard))


def _peak_of_descendants() -> int:
    """Return the largest resident size that an ended descendant of this process has ever had, in bytes."""
    unit = 1024 if sys.platform == "linux" else 1
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * unit


def _is_for_memory(failure: BaseException, limit: int, former_peak: int) -> bool:
    """Tell whether memory is what the run failed for, its own or that of a command."""
    if outcomes.caused_by_memory(failure):
        return True
    peak = _peak_of_descendants()
    return peak > former_peak and peak > _NEARLY * limit * memory.MEGABYTE


def _over_memory(limit: int) -> Outcome:
    peak = ""
    with contextlib.suppress(OSError, IndexError):
        status = Path("/proc/self/status").read_text()
        peak = (
            f"; its process had at most {int(status.partition('VmHWM:')[2].split()[0]) // 1024} MB resident"
        )
    return Outcome(
        Verdict.OVER_MEMORY, error=f"asked for more memory than its limit of {limit} MB allows{peak}"
    )
