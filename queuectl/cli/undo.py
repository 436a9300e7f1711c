"""``queuectl undo``: put back what a command changed, and say what has changed since."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from queuectl.cli.bulk import DryRun, Plan, Yes, agreed, partly_done, working
from queuectl.cli.invocation import Invocation
from queuectl.errors import ExitCode, InvalidInputError, PartlyDoneError, RefusedError

if TYPE_CHECKING:
    from queuectl.domain.undo import UndoPlan, UndoResult

_LISTED = 50


def undo(
    ctx: typer.Context,
    number: Annotated[
        int | None, typer.Argument(metavar="[N]", help="The number of an operation, as the command said it.")
    ] = None,
    listing: Annotated[bool, typer.Option("--list", help="List what can be undone.")] = False,
    yes: Yes = False,
    dry_run: DryRun = False,
) -> int:
    """Put back what a command changed.

    It is for cancel, retry, clear-queue, reprioritize, batch, import, dead resurrect, schedule optimize, and changes
    to queues and schedules. What has changed since stays as it is, and is counted. Cancelled tasks wait again where
    they waited; those that ran cannot be taken back. Retried tasks are again what they were, and planned ones get
    their times back. Of a batch, an import or dead letters the new tasks are cancelled that were never started.
    Undoing can be undone as well, but that of retry and dead resurrect, and all of it for undo_days.

    Examples:
      queuectl undo --list
      queuectl undo 12 --dry-run
      queuectl undo 12 --yes
    """
    run: Invocation = ctx.obj
    if listing:
        return _list(run)
    if number is None:
        raise InvalidInputError(
            "it is not said what to undo", hint="give a number from: queuectl undo --list"
        )
    plan = run.manager.undo_plan(number)
    if not _go_on(run, plan, yes=yes, dry_run=dry_run):
        return ExitCode.DONE
    with working(run, plan.outcomes["done"]) as work:
        result = run.manager.undo(
            number, on_group=lambda each: work.advance(each.looked_at), should_stop=work.should_stop
        )
    return _tell(run, result)


def hint(run: Invocation) -> str:
    """Return the end of a sentence that says how to undo what was just done; empty where it cannot be."""
    from queuectl.operations.auditing import latest_operation

    number = latest_operation() if run.settings.undo_days else None
    return "" if number is None else f"; undo it with: queuectl undo {number}"


def _list(run: Invocation) -> int:
    from queuectl.cli.render.audit import operation_grid
    from queuectl.shapes.audit import operation_shape

    found = run.manager.undoable_operations(_LISTED)
    if not found:
        run.output.say("there is nothing to undo")
    if found or run.output.json:
        run.output.show(
            lambda: {"operations": [operation_shape(each) for each in found]},
            lambda: operation_grid(found, run.settings.timezone),
            [str(each.first.operation) for each in found],
        )
    return ExitCode.DONE


def _go_on(run: Invocation, plan: UndoPlan, *, yes: bool, dry_run: bool) -> bool:
    """Show what would be done, and ask where it is about several tasks."""
    from queuectl.cli.render.task_list import task_grid
    from queuectl.cli.render.words import count
    from queuectl.clock import now_ms
    from queuectl.domain.selection import Selection
    from queuectl.shapes.audit import plan_shape

    number = plan.outcomes["done"]
    if not dry_run and number < 2:
        return True
    sample = run.manager.list_tasks(Selection(ids=plan.sample))[::-1] if plan.sample else []
    columns = ("id", "state", "queue", "score", "url")
    shown = Plan(
        "put back",
        count(number, "task"),
        number if plan.outcomes else 0,
        task_grid(sample, now_ms(), run.settings.timezone, columns),
        _foretold(plan),
    )
    if agreed(run, shown, yes=yes, dry_run=dry_run):
        return True
    if run.output.json:
        run.output.document(plan_shape(plan))
    return False


def _foretold(plan: UndoPlan) -> list[str]:
    number = plan.outcomes["done"]
    sentences = [f"operation {plan.number} was: {plan.verb} {plan.target}"]
    if plan.outcomes:
        sentences.append(f"{number:,} of its tasks {'is' if number == 1 else 'are'} as it left them")
    for name, words in _LEFT.items():
        if plan.outcomes[name]:
            sentences.append(f"{plan.outcomes[name]:,} {words}")
    if plan.undone_by is not None:
        sentences.append(f"it was undone already, by operation {plan.undone_by}")
    return sentences


_LEFT = {
    "changed": "changed since, and would stay as they are",
    "ran": "ran and were asked to stop, which cannot be taken back",
    "missing": "were removed since",
}


def _tell(run: Invocation, result: UndoResult) -> int:
    """Report, and return the exit code.

    Raises:
        QueuectlError: nothing was put back, or not all.
    """
    from queuectl.shapes.audit import result_shape

    if run.output.json:
        run.output.document(result_shape(result))
    else:
        run.output.result(str(result.undone if result.operation is None else result.operation))
    sentence = "; ".join([*_done(result), *_left(result)])
    if result.reason is not None:
        raise partly_done(sentence, result.reason, "" if result.lasting else hint(run)) from result.reason
    if result.stopped:
        run.output.say(f"interrupted: {sentence}; the rest is as it was")
        return ExitCode.INTERRUPTED
    see = (
        "see: queuectl undo --list"
        if result.operation is None
        else f"see: queuectl audit show {result.operation}"
    )
    if not result.anything_done:
        raise RefusedError(
            f"nothing was put back: {'; '.join(_left(result)) or 'it is so already'}", hint=see
        )
    if result.anything_left:
        raise PartlyDoneError(sentence, hint=see)
    run.output.say(sentence if result.lasting else f"{sentence}{hint(run)}")
    return ExitCode.DONE


def _done(result: UndoResult) -> list[str]:
    from queuectl.cli.render.words import count

    return [*([f"{count(result.done, 'task')} put back"] if result.done else []), *result.put_back]


def _left(result: UndoResult) -> list[str]:
    from queuectl.domain.bulk import Outcome
    from queuectl.domain.task import task_name

    parts = list(result.kept_as_is)
    words = {
        Outcome.CHANGED: ("has changed since", "have changed since"),
        Outcome.DUPLICATE: (
            "is to be unique, and another open task has its URL",
            "are to be unique, and other open tasks have their URLs",
        ),
        Outcome.MISSING: ("was removed since", "were removed since"),
    }
    for outcome, (one, several) in words.items():
        number = result.outcomes[outcome]
        if number:
            parts.append(f"{number:,} {one if number == 1 else several}")
    if result.ran:
        parts.append(f"{result.ran:,} ran and {'was' if result.ran == 1 else 'were'} asked to stop")
    if result.left:
        said = ", ".join(f"{task_name(each.id)} ({each.state or 'removed'})" for each in result.left)
        parts.append(f"such as {said}")
    return parts
