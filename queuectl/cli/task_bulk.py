"""The course of a verb on tasks: one at once, several after a look and a question, then the outcome in words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from queuectl.cli.bulk import SAMPLE, Plan, Work, agreed, partly_done, working
from queuectl.cli.invocation import Invocation
from queuectl.cli.undo import hint
from queuectl.domain.bulk import BulkResult, Outcome
from queuectl.domain.lifecycle import State
from queuectl.domain.selection import Selection
from queuectl.domain.task import Task, task_name
from queuectl.errors import (
    ExitCode,
    PartlyDoneError,
    QueuectlError,
    RefusedError,
    TaskNotFoundError,
    WrongStateError,
)
from queuectl.operations.selectors import Selectors

if TYPE_CHECKING:
    from queuectl.operations.bulk import Progress

_LISTED = 1_000
"""So many tasks a JSON document names one by one; the counts are of all."""


class Many(Protocol):
    """A verb of the manager in the plural."""

    def __call__(
        self, selection: Selection, *, on_group: Callable[[Progress], None], should_stop: Callable[[], bool]
    ) -> BulkResult:
        """Act on all tasks that match."""
        ...


@dataclass(frozen=True, slots=True)
class TaskVerb:
    """A verb on tasks, in words and in deeds.

    ``done`` is what the tasks are afterwards, ``told`` what is said of a single one, ``foretold`` makes the
    consequences of counts by state.
    """

    name: str
    done: str
    possible: frozenset[State]
    one: Callable[[int], Task]
    told: Callable[[Task], str]
    many: Many
    foretold: Callable[[Mapping[State, int]], list[str]]


def act(run: Invocation, verb: TaskVerb, selectors: Selectors, *, yes: bool, dry_run: bool) -> int:
    """Act on one task at once, or on all that are selected after a question; return the exit code.

    Raises:
        QueuectlError: nothing could be done, or not all of it.
    """
    selection = selectors.narrow_selection(run.settings.timezone, verb.name)
    if not dry_run and selection == Selection(ids=selection.ids) and len(selection.ids) == 1:
        _act_on_one(run, verb, selection.ids[0])
        return ExitCode.DONE
    plan = _planned(run, verb, selection)
    if plan is None:
        return ExitCode.DONE
    if agreed(run, plan, yes=yes, dry_run=dry_run):
        return _act_on_many(run, verb, selection, plan.count)
    if run.output.json:
        run.output.document({"matched": plan.count, "done": 0, "dry_run": True})
    return ExitCode.DONE


def _act_on_one(run: Invocation, verb: TaskVerb, number: int) -> None:
    from queuectl.operations.auditing import latest_operation
    from queuectl.shapes.tasks import task_shape

    task = verb.one(number)
    if run.output.json:
        run.output.document({"tasks": [task_shape(task)], "failed": [], "operation": latest_operation()})
    else:
        run.output.result(task_name(task.id))
    asked = verb.name == "cancel" and task.state is State.RUNNING
    undo = "" if asked else hint(run)
    run.output.say(f"{task_name(task.id)} {verb.told(task)}{undo}")


def _planned(run: Invocation, verb: TaskVerb, selection: Selection) -> Plan | None:
    """Return what would be done, or None where a filter matches nothing.

    Raises:
        TaskNotFoundError: none of the named tasks exists.
        WrongStateError: there are such tasks, and their states allow nothing.
    """
    from queuectl.cli.render.task_list import task_grid
    from queuectl.cli.render.words import count
    from queuectl.clock import now_ms

    found = {
        State(str(state)): number
        for state, number in run.manager.count_tasks_by(
            "state", replace(selection.narrowed(verb.possible), limit=None)
        )
    }
    possible = {state: number for state, number in found.items() if state in verb.possible}
    total = sum(possible.values())
    if not total:
        _refuse(verb, selection, found)
        narrowed = not (selection.ids or selection.states)
        such = f"no task that can be {verb.done}" if narrowed else "no task"
        run.output.say(f"{such} matches; nothing was changed")
        if run.output.json:
            run.output.document({"matched": 0, "done": 0, "tasks": [], "failed": []})
        return None
    if selection.limit is not None and total > selection.limit:
        possible, total = {}, selection.limit
    allowed = verb.possible.intersection(selection.states or verb.possible)
    sample = run.manager.oldest_tasks(replace(selection, states=tuple(sorted(allowed))), min(SAMPLE, total))
    return Plan(
        verb.name,
        count(total, "task"),
        total,
        task_grid(sample, now_ms(), run.settings.timezone, ("id", "state", "queue", "score", "url")),
        verb.foretold(possible) if possible else [],
    )


def _refuse(verb: TaskVerb, selection: Selection, found: Mapping[State, int]) -> None:
    if found:
        from queuectl.cli.render.words import count

        states = ", ".join(f"{number:,} {state}" for state, number in found.items())
        raise WrongStateError(
            f"nothing can be {verb.done}: {count(sum(found.values()), 'task')} of the wrong state ({states})",
            hint=f"it is for tasks that are {', '.join(sorted(verb.possible))}",
        )
    if selection.ids and selection == Selection(ids=selection.ids):
        names = ", ".join(task_name(number) for number in selection.ids[:5])
        raise TaskNotFoundError(f"there is no task {names}", hint="see: queuectl list")


class _Report:
    """Takes in each group as it is done: writes its ids for programs, and keeps the first for a document."""

    def __init__(self, run: Invocation, work: Work) -> None:
        self._run = run
        self._work = work
        self._writes_ids = run.output.quiet or not run.output.on_terminal
        self.done: list[int] = []
        self.failed: list[tuple[int, Outcome]] = []

    def __call__(self, progress: Progress) -> None:
        """Take in a group."""
        if self._run.output.json:
            self.done += progress.done[: _LISTED - len(self.done)]
        elif self._writes_ids:
            self._run.output.ids(task_name(number) for number in progress.done)
        failed = [(number, each) for number, each in progress.outcomes.items() if each is not Outcome.DONE]
        self.failed += failed[: _LISTED - len(self.failed)]
        self._work.advance(progress.result.looked_at)


def _act_on_many(run: Invocation, verb: TaskVerb, selection: Selection, expected: int) -> int:
    with working(run, expected) as work:
        report = _Report(run, work)
        result = verb.many(selection, on_group=report, should_stop=work.should_stop)
    if run.output.json:
        run.output.document(_document(run, report, result))
    sentence = _sentence(verb, result)
    undo = hint(run) if result.done else ""
    if result.reason is not None:
        raise partly_done(sentence, result.reason, undo) from result.reason
    if result.stopped:
        run.output.say(f"interrupted: {sentence}; the rest is as it was{undo}")
        return ExitCode.INTERRUPTED
    if result.done == result.looked_at:
        run.output.say(f"{sentence}{undo}")
        return ExitCode.DONE
    if result.done:
        raise PartlyDoneError(f"{sentence}{undo}", hint="see: queuectl list")
    if result.outcomes[Outcome.MISSING] == result.looked_at:
        raise TaskNotFoundError(sentence, hint="see: queuectl list")
    raise RefusedError(sentence, hint="see: queuectl list")


_WORDS = {
    Outcome.WRONG_STATE: ("was in a state that does not allow it", "were in a state that does not allow it"),
    Outcome.CHANGED: ("was changed by somebody else meanwhile", "were changed by somebody else meanwhile"),
    Outcome.DUPLICATE: (
        "is to be unique, and another open task has its URL",
        "are to be unique, and other open tasks have their URLs",
    ),
    Outcome.MISSING: ("does not exist", "do not exist"),
}


def _sentence(verb: TaskVerb, result: BulkResult) -> str:
    from queuectl.cli.render.words import count

    done = f"{count(result.done, 'task')} {verb.done}"
    if result.done < result.looked_at:
        done = f"{result.done:,} of {count(result.looked_at, 'task')} {verb.done}"
    parts = [done]
    if verb.name == "cancel" and result.asked:
        parts.append(f"{result.asked:,} of them run and {'is' if result.asked == 1 else 'are'} asked to stop")
    for outcome, (one, several) in _WORDS.items():
        number = result.outcomes[outcome]
        if number:
            parts.append(f"{number:,} {one if number == 1 else several}")
    return "; ".join(parts)


def _document(run: Invocation, report: _Report, result: BulkResult) -> dict[str, Any]:
    from queuectl.shapes.tasks import task_shape

    done = Selection(ids=tuple(report.done), limit=_LISTED)
    try:
        tasks = run.manager.list_tasks(done)[::-1] if report.done else []
    except QueuectlError:  # what is done is told all the same
        shapes = [{"id": task_name(number)} for number in report.done]
    else:
        shapes = [task_shape(task) for task in tasks]
    return {
        "matched": result.looked_at,
        "done": result.done,
        "asked_to_stop": result.asked,
        "outcomes": {outcome.value: result.outcomes[outcome] for outcome in Outcome},
        "stopped": result.stopped,
        "reason": None if result.reason is None else result.reason.message,
        "operation": result.operation,
        "tasks": shapes,
        "failed": [
            {"id": task_name(number), "outcome": outcome.value, "message": _WORDS[outcome][0]}
            for number, outcome in report.failed
        ],
    }
