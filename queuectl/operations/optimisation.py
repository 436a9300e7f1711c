"""Give tasks new times in a window: read what is planned, ask the planner, and write all or nothing.

What counts towards the cap beside the chosen tasks: every start of any queue that is planned
(scheduled and retrying tasks) or has happened in or within an hour of the window. Queued tasks that
are not chosen have no planned time; they start when there is room, and are only reported.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from queuectl.clock import now_ms
from queuectl.domain.admission import QueueRules
from queuectl.domain.lifecycle import Move, State, sources
from queuectl.domain.optimisation import NewTime, Optimisation, Window
from queuectl.domain.priority import rank_by_point
from queuectl.domain.rate import RateLimit
from queuectl.domain.run_times import RunTimes
from queuectl.domain.selection import Selection
from queuectl.domain.targets import selected_tasks
from queuectl.domain.task import task_name
from queuectl.domain.window_board import Limit
from queuectl.domain.window_order import Candidate, Other, Problem
from queuectl.domain.window_plan import CAP, HOST_GAP, HOST_HELD, Infeasible, Plan, plan
from queuectl.errors import InvalidInputError, NoPlanError, RefusedError, TaskNotFoundError, WrongStateError
from queuectl.operations.auditing import Operation
from queuectl.settings import Settings
from queuectl.store import counters, hosts, nodes, ordering, planning, queues, tasks
from queuectl.store.database import Database, Transaction
from queuectl.store.planning import Standing
from queuectl.store.restoring import FormerTime
from queuectl.times import shown

MOST_TASKS = 100_000
"""A plan for more tasks would take minutes."""

RATE_LIMIT = "rate_limit"
CONCURRENCY = "concurrency"
WORKERS = "workers"

_HOUR_MS = 3_600_000
_WORTH_MS = 1_000
"""Less of a window than this may pass while a plan is made; that is not worth a word."""

_NAMED = 5
_TRIES = 3


def optimize(
    database: Database, settings: Settings, ids: Sequence[int], window: Window, *, dry_run: bool = False
) -> Optimisation:
    """Spread tasks over a window and return their times; all of them are written, or with ``dry_run`` none.

    Raises:
        InvalidInputError: there are no tasks, or too many.
        TaskNotFoundError: one does not exist; nothing is changed.
        WrongStateError: one has started or ended; nothing is changed.
        NoPlanError: they do not fit; it says what is in the way and which change is enough.
        RefusedError: what the plan stands on has changed meanwhile; nothing is changed.
    """
    _check_number(len(ids))
    operation = Operation(database, settings, "schedule optimize", selected_tasks(Selection(ids=tuple(ids))))
    for _ in range(_TRIES):
        draft = _Draft(database, settings, ids, window)
        found = plan(draft.problem)
        if isinstance(found, Infeasible):
            raise _no_plan(found, draft, window, settings)
        times = _times(found, draft.chosen)
        if dry_run or _apply(operation, draft, times):
            return Optimisation(
                window=window,
                times=times,
                counted=len(draft.problem.others),
                uncounted=draft.uncounted,
                clipped=draft.problem.start - window.start >= _WORTH_MS,
                applied=not dry_run,
            )
    raise RefusedError(
        "nothing was changed: what stands in the window changes faster than a plan can be made",
        hint="try again, or choose a window that begins later",
    )


class _Draft:
    """What a plan stands on, read in one snapshot."""

    def __init__(self, database: Database, settings: Settings, ids: Sequence[int], window: Window) -> None:
        self.now = now_ms()
        self.window = window
        start = max(window.start, self.now)  # what has passed of the window is gone
        with database.reading() as transaction:
            self.chosen = _movable(planning.standing(transaction, ids), ids)
            rules = queues.rules(transaction)
            gaps = {name: _gap_ms(rule) for name, rule in rules.items() if rule.host_gap}
            limits = (
                Limit(CAP, window.max_per_hour, _HOUR_MS),
                *_limits(transaction, settings, rules, self.chosen),
            )
            margin = max([limit.period for limit in limits] + list(gaps.values()))
            self._reach = start - margin, window.end + margin
            self.planned = self.planned_now(transaction)
            past = planning.past_starts(transaction, self._reach[0]) if self._reach[0] < self.now else []
            held = hosts.held(transaction, transaction.now())
            waiting = counters.read(transaction)
        queued = sum(count for (_, state), count in waiting.items() if state is State.QUEUED)
        self.uncounted = queued - sum(task.state is State.QUEUED for task in self.chosen)
        tasks_to_place = tuple(
            Candidate(task.id, task.priority_score, task.queue, task.host, task.due_at)
            for task in self.chosen
        )
        self.problem = Problem(tasks_to_place, start, window.end, limits, (*self.planned, *past), gaps, held)

    def planned_now(self, transaction: Transaction) -> list[Other]:
        """Return the starts that other tasks have in and around the window at this moment."""
        return planning.planned_starts(transaction, *self._reach, [task.id for task in self.chosen])


def _check_number(tasks_given: int) -> None:
    if not tasks_given:
        raise InvalidInputError(
            "there is no task to plan", hint="give ids, or filters that match waiting tasks"
        )
    if tasks_given > MOST_TASKS:
        raise InvalidInputError(
            f"{tasks_given:,} tasks are too many for one plan; {MOST_TASKS:,} are allowed",
            hint="choose fewer, such as those of one queue",
        )


def _movable(found: Sequence[Standing], ids: Sequence[int]) -> list[Standing]:
    known = {task.id for task in found}
    missing = [number for number in ids if number not in known]
    if missing:
        raise TaskNotFoundError(
            f"there is no task {_named(missing)}; nothing was changed", hint="see: queuectl list"
        )
    allowed = sources(Move.RESCHEDULE)
    fixed = [task for task in found if task.state not in allowed]
    if fixed:
        named = ", ".join(f"{task_name(task.id)} is {task.state}" for task in fixed[:_NAMED])
        more = f" and {len(fixed) - _NAMED:,} more have started or ended" if len(fixed) > _NAMED else ""
        raise WrongStateError(
            f"{named}{more}; nothing was changed",
            hint="only scheduled, queued and retrying tasks can get another time; leave the others out",
        )
    return list(found)


def _named(numbers: Sequence[int]) -> str:
    named = ", ".join(task_name(number) for number in numbers[:_NAMED])
    return named if len(numbers) <= _NAMED else f"{named} and {len(numbers) - _NAMED:,} more"


def _limits(
    transaction: Transaction, settings: Settings, rules: Mapping[str, QueueRules], chosen: Sequence[Standing]
) -> list[Limit]:
    """Return what limits starts beside the cap: the queues' rates, and as many runs at a time as there can be."""
    times = RunTimes(planning.latest_runs(transaction), assumed_ms=0)
    now = transaction.now()
    alive = sum(node.workers for node in nodes.every(transaction) if node.lease_until > now)
    limits: list[Limit] = []
    for name in sorted({task.queue for task in chosen}):
        rule, mean = rules[name], times.mean_ms(name)
        if rule.rate_limit is not None:
            limits.append(Limit(RATE_LIMIT, rule.rate_limit.starts, _period_ms(rule, rule.rate_limit), name))
        if rule.concurrency is not None and mean is not None:
            limits.append(Limit(CONCURRENCY, rule.concurrency, mean, name))
    mean = times.mean_ms()
    if mean is not None:
        limits.append(Limit(WORKERS, alive or settings.workers, mean))
    return limits


# The daemon counts a start at the latest moment at which it may happen. A plan that kept only to the bare period or gap
# would begin later and later, and what comes after it would then be too near.
def _period_ms(rule: QueueRules, limit: RateLimit) -> int:
    return limit.period_ms + limit.grain_ms + (rule.start_guard_ms or 0)


def _gap_ms(rule: QueueRules) -> int:
    return round((rule.host_gap or 0) * 1000) + (rule.start_guard_ms or 0)


def _times(found: Plan, chosen: Sequence[Standing]) -> tuple[NewTime, ...]:
    by_id = {task.id: task for task in chosen}
    return tuple(
        NewTime(task.id, task.url, task.queue, task.priority_score, task.state, task.due_at, placed.at)
        for placed in found.places
        for task in (by_id[placed.task.id],)
    )


def _apply(operation: Operation, draft: _Draft, times: Sequence[NewTime]) -> bool:
    """Write the new times in one transaction; return False if what the plan stands on is not so any more."""
    with operation.writing() as transaction:
        queues.lock_all(transaction)  # of two who plan at once the second sees what the first has written
        ids = [task.id for task in draft.chosen]
        if planning.standing(transaction, ids, locked=True) != draft.chosen:
            return False
        if Counter(draft.planned_now(transaction)) - Counter(draft.planned):
            return False
        point = ordering.stored_point(transaction)
        moves = [
            (each.id, each.after, rank_by_point(each.priority_score, each.after, point))
            for each in times
            if each.moved
        ]
        moved = set(tasks.reschedule(transaction, moves, now_ms()))
        if moved:
            run_at = {task.id: task.run_at for task in draft.chosen}
            former = [
                FormerTime(each.id, each.before, run_at[each.id], each.after)
                for each in times
                if each.id in moved
            ]
            operation.note(transaction, len(moved), after=asdict(draft.window), kept={"times": former})
    return True


def _no_plan(found: Infeasible, draft: _Draft, window: Window, settings: Settings) -> NoPlanError:
    zone = settings.timezone
    relaxation = found.relaxation
    number = len(draft.chosen)
    enough = []
    if relaxation.end is not None:
        enough.append(f'--end "{shown(relaxation.end, zone)}"')
    if relaxation.cap is not None:
        enough.append(f"--max-per-hour {relaxation.cap}")
    if relaxation.leave_out is not None:
        enough.append(f"{relaxation.leave_out:,} of the least urgent tasks left out")
    return NoPlanError(
        f"no plan puts {number:,} {'task' if number == 1 else 'tasks'} between {shown(draft.problem.start, zone)}"
        f" and {shown(window.end, zone)}: {_in_the_way(found, draft, window)}",
        hint=f"enough is {', or '.join(enough)}" if enough else "choose another window",
        binding=found.binding,
        later_end=relaxation.end,
        higher_cap=relaxation.cap,
        leave_out=relaxation.leave_out,
    )


def _in_the_way(found: Infeasible, draft: _Draft, window: Window) -> str:
    by_name = {limit.name: limit for limit in draft.problem.limits}
    others = len(draft.problem.others)
    words = {
        CAP: f"the window is too short for {window.max_per_hour:,} {_starts(window.max_per_hour)} an hour"
        + (f", with {others:,} other {_starts(others)} counted" if others else ""),
        HOST_GAP: "the gaps between starts on one host take too long",
        HOST_HELD: "a host has asked not to be called before",
        RATE_LIMIT: "a queue's rate limit lets too few start",
        CONCURRENCY: "a queue's concurrency lets too few run at a time",
        WORKERS: f"{by_name[WORKERS].starts} workers cannot run so many at a time"
        if WORKERS in by_name
        else "",
    }
    named = list(dict.fromkeys(words[name] for name in found.binding))
    return "; ".join(named) or "no single limit is in the way, but several together"


def _starts(number: int) -> str:
    return "start" if number == 1 else "starts"
