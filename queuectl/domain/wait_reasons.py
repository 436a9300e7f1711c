"""The reasons why a task waits, from the facts about it: pure, and by the same rules that dispatch follows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from queuectl.domain.admission import (
    NO_HOST_USE,
    NO_USE,
    Block,
    HostUse,
    QueueRules,
    QueueUse,
    Reason,
    host_block,
    queue_room,
)
from queuectl.domain.explanation import Cause, WaitReason
from queuectl.domain.lane import gap_start, rate_start
from queuectl.domain.lifecycle import State
from queuectl.domain.rate import RateLimit
from queuectl.domain.sentence import Word, say
from queuectl.domain.task import Task, task_name
from queuectl.domain.visible import visible

CLOCK_TOLERANCE_MS = 2_000
"""A machine's clock may differ from the database's by this much before it is worth a word."""

_ERROR_SHOWN = 120
_SHORT_RUN_MS = 50
_MOST_WORKERS = 512  # that can be set


@dataclass(frozen=True, slots=True)
class Worker:
    """A daemon that is alive, as far as it matters to a waiting task; ``clock_ahead`` is in milliseconds.

    ``held_back`` are the handlers of which it takes nothing more, because as many tasks of their kind, ``process``,
    ``thread`` or ``async``, are at work as may be.
    """

    host: str
    workers: int
    per_minute: float
    handlers: frozenset[str]
    clock_ahead: int
    held_back: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Line:
    """Where a task stands: how many queued tasks come before it, and how many of those are of its own queue.

    ``least`` says that there are more than counted. ``free`` is how many workers have nothing to do, ``taken``
    how many of the tasks before it a daemon would take for them at its next look, ``room`` how many tasks of
    its own queue may be taken then, and ``chosen`` whether it would be taken itself.
    """

    before: int
    own: int
    least: bool
    free: int
    taken: int
    chosen: bool


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known about a waiting task at the moment ``now``, in UTC milliseconds of the database's clock.

    ``failures`` of ``runs`` allowed ones are used up. ``starts`` are the moments that the queue's rate limit
    counts. ``host_before`` tasks of its queue and host stand before it, ``block`` is what keeps its host back
    behind those that would be taken before it. ``mean_run_ms`` is how long runs took lately.
    """

    now: int
    task: Task
    failures: int
    runs: int
    daemons: tuple[Worker, ...]
    rule: QueueRules
    use: QueueUse = NO_USE
    starts: tuple[int, ...] = ()
    host: str = ""
    host_use: HostUse = NO_HOST_USE
    host_before: int = 0
    held_because: str | None = None
    line: Line | None = None
    block: Block | None = None
    mean_run_ms: float | None = None

    @property
    def short_queue(self) -> str:
        """The queue's short name, as commands take it."""
        return self.task.queue.removesuffix("_priority")

    @property
    def queue_word(self) -> Word:
        """The queue as a sentence names it."""
        return Word("queue", self.short_queue)

    @property
    def per_minute(self) -> float:
        """How many runs a minute may be expected to end while every worker is busy.

        Of long runs that is what so many workers can do at their recent mean. Short ones are bounded
        by the dispatch as well, so for them it is what was done in the last minute.
        """
        done = sum(daemon.per_minute for daemon in self.daemons)
        if self.mean_run_ms and (self.mean_run_ms >= _SHORT_RUN_MS or not done):
            return sum(daemon.workers for daemon in self.daemons) * 60_000 / self.mean_run_ms
        return done

    @property
    def used_up(self) -> int | None:
        """How many the rate limit lets start now, if that leaves none for this task; None if it does not bind."""
        alone = replace(self.rule, paused=False, concurrency=None)
        room, _ = queue_room(alone, self.use)
        chosen = self.line is not None and self.line.chosen
        binds = room is not None and (not room or (self.own_before >= room and not chosen))
        return room if binds else None

    @property
    def own_before(self) -> int:
        """How many queued tasks of the same queue come before it."""
        return self.line.own if self.line is not None else 0


def reasons_to_wait(facts: Facts) -> list[WaitReason]:
    """Return everything that keeps a task from starting that is scheduled, queued, retrying or dispatched."""
    later = facts.task.due_at if facts.task.state in (State.SCHEDULED, State.RETRYING) else 0
    found = [*_time(facts), *_daemons(facts), *_queue(facts), *_host(facts), *_workers(facts)]
    if later <= facts.now:
        return found
    # What will be over by the time it is due keeps nothing back.
    return [each for each in found if each.cause in _LASTING or (each.until or 0) >= later]


_LASTING = frozenset({Cause.NO_DAEMON, Cause.PAUSED, Cause.NO_HANDLER, Cause.CLOCK})


def _time(facts: Facts) -> Iterator[WaitReason]:
    task = facts.task
    if task.state is State.DISPATCHED:
        yield WaitReason(Cause.ON_ITS_WAY, say("wait.on_its_way"), facts.now, estimated=True)
    elif task.due_at <= facts.now:
        return
    elif task.state is State.SCHEDULED:
        yield WaitReason(Cause.NOT_DUE, say("wait.not_due"), task.due_at)
    elif task.state is State.RETRYING:
        because = say("wait.because", error=visible(task.error, _ERROR_SHOWN)) if task.error else ""
        # A host that wanted to be left alone is no fault of the task, and has cost it no run.
        failed = say("wait.failed", failures=facts.failures, runs=facts.runs) if facts.failures else ""
        yield WaitReason(
            Cause.BACK_OFF,
            say("wait.back_off", failed=failed, because=because),
            task.due_at,
            command=f"queuectl retry {task_name(task.id)}",
        )


def _daemons(facts: Facts) -> Iterator[WaitReason]:
    if not facts.daemons:
        yield WaitReason(Cause.NO_DAEMON, say("wait.no_daemon"), command="queuectl daemon start")
        return
    if not any(facts.task.handler in daemon.handlers for daemon in facts.daemons):
        yield WaitReason(
            Cause.NO_HANDLER,
            say("wait.no_handler", handler=repr(facts.task.handler)),
            command="queuectl config show",
            binding=False,
        )
    yield from _clocks(facts)
    kinds = [daemon.held_back.get(facts.task.handler) for daemon in facts.daemons]
    if all(kinds):
        yield WaitReason(
            Cause.KIND,
            say("wait.kind", setting=f"workers_{kinds[0]}"),
            command="queuectl config path",
        )


def _clocks(facts: Facts) -> Iterator[WaitReason]:
    off = [daemon for daemon in facts.daemons if abs(daemon.clock_ahead) > CLOCK_TOLERANCE_MS]
    waits = facts.task.due_at > facts.now and facts.task.state in (State.SCHEDULED, State.RETRYING)
    for daemon in off:
        seconds = abs(daemon.clock_ahead) / 1000
        behind = daemon.clock_ahead < 0
        # Planned tasks begin by the first clock that has reached their time.
        binds = waits and behind and daemon.clock_ahead == max(each.clock_ahead for each in facts.daemons)
        yield WaitReason(
            Cause.CLOCK,
            say(
                "wait.clock_behind" if behind else "wait.clock_ahead",
                host=visible(daemon.host, 60),
                seconds=f"{seconds:.0f}",
            ),
            facts.task.due_at - daemon.clock_ahead if binds else None,
            binding=binds,
        )


def _queue(facts: Facts) -> Iterator[WaitReason]:
    """Ask the rule of admission for each limit by itself, because it names only the first that binds."""
    rule = facts.rule
    alone = replace(rule, paused=False, rate_limit=None, concurrency=None)
    if (block := queue_room(replace(alone, paused=rule.paused), facts.use)[1]) is not None:
        yield WaitReason(
            Cause.PAUSED,
            say("wait.paused", queue=facts.queue_word),
            block.until,
            command=f"queuectl queue resume {facts.short_queue}",
        )
    if rule.rate_limit is not None and (room := facts.used_up) is not None:
        yield _rate(facts, rule.rate_limit, room)
    if (block := queue_room(replace(alone, concurrency=rule.concurrency), facts.use)[1]) is not None:
        yield WaitReason(
            Cause.CONCURRENCY,
            say("wait.concurrency", n=facts.use.at_work, queue=facts.queue_word),
            block.until,
            command=f"queuectl queue set {facts.short_queue} concurrency=none",
        )


def _rate(facts: Facts, limit: RateLimit, room: int) -> WaitReason:
    """Say when the rate limit lets this task start: those of its queue before it use up what becomes free first."""
    before = say("wait.before", n=facts.own_before) if facts.own_before else ""
    if room:
        said = say("wait.rate_left", queue=facts.queue_word, room=room, limit=str(limit), before=before)
    else:
        said = say("wait.rate_used", queue=facts.queue_word, limit=str(limit), before=before)
    return WaitReason(
        Cause.RATE_LIMIT,
        said,
        rate_start(facts.rule, facts.starts, facts.own_before, facts.now),
        estimated=facts.own_before > 0,
        command=f"queuectl queue set {facts.short_queue} rate_limit=none",
    )


def _host(facts: Facts) -> Iterator[WaitReason]:
    rule = facts.rule
    alone = replace(rule, host_gap=None, host_concurrency=None)
    unheld = replace(facts.host_use, held_until=None)
    gap = host_block(replace(alone, host_gap=rule.host_gap), unheld, facts.now)
    if rule.host_gap is not None and facts.host_before:
        until = gap_start(rule, facts.host_use, facts.host_before, facts.now)
        gap = Block(Reason.HOST_GAP, until)
    blocks = (
        host_block(alone, facts.host_use, facts.now),
        gap,
        host_block(replace(alone, host_concurrency=rule.host_concurrency), unheld, facts.now),
    )
    found = [block for block in blocks if block is not None]
    if not found and facts.block is not None:
        found = [facts.block]  # it comes into being with the start of a task before it
    for block in found:
        yield _host_reason(facts, block)


def _host_reason(facts: Facts, block: Block) -> WaitReason:
    host, name, rule = visible(facts.host, 80), facts.short_queue, facts.rule
    if block.reason is Reason.HOST_HELD:
        because = facts.held_because
        text = say("wait.host_said", text=visible(because, _ERROR_SHOWN)) if because else ""
        return WaitReason(Cause.HOST_HELD, say("wait.host_held", host=host, because=text), block.until)
    if block.reason is Reason.HOST_GAP:
        before = say("wait.before_there", n=facts.host_before) if facts.host_before else ""
        gap = f"{rule.host_gap:g}"
        return WaitReason(
            Cause.HOST_GAP,
            say("wait.host_gap", host=host, queue=facts.queue_word, gap=gap, before=before),
            block.until,
            estimated=facts.host_before > 0 or facts.block is block,
            command=f"queuectl queue set {name} host_gap=none",
        )
    return WaitReason(
        Cause.HOST_CONCURRENCY,
        say("wait.host_concurrency", host=host, queue=facts.queue_word, most=rule.host_concurrency or 0),
        block.until,
        command=f"queuectl queue set {name} host_concurrency=none",
    )


def _workers(facts: Facts) -> Iterator[WaitReason]:
    line = facts.line
    if line is None or not facts.daemons:
        return  # it is not in the line, or nothing moves in it
    workers = sum(daemon.workers for daemon in facts.daemons)
    pace = facts.per_minute
    if line.free <= 0:
        busy = say("wait.workers", n=workers)
        each = max(daemon.workers for daemon in facts.daemons)
        everywhere = " --all" if len(facts.daemons) > 1 else ""
        most = min(each * 2, _MOST_WORKERS)
        more = f"queuectl daemon scale {most}{everywhere}" if each < most else None
        yield WaitReason(Cause.WORKERS, busy, _after(facts.now, 1, pace), estimated=True, command=more)
    crowded = line.taken > 0 and not line.chosen and facts.block is None
    if facts.used_up is not None and line.taken < line.free:
        crowded = False  # there is a worker for it; it is the rate that those before it use up
    if line.before and (line.free <= 0 or crowded):
        yield WaitReason(
            Cause.AHEAD,
            say("wait.ahead_least" if line.least else "wait.ahead", n=line.before),
            _after(facts.now, max(1, line.before - line.free + 1), pace),
            estimated=True,
        )


def _after(now: int, runs: int, per_minute: float) -> int | None:
    return now + round(runs / per_minute * 60_000) if per_minute > 0 else None
