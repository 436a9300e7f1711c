"""``queuectl cancel``, ``retry`` and ``reprioritize``: change one task, or all that are selected."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Annotated

import typer

from queuectl.cli.bulk import DryRun, Yes
from queuectl.cli.choices import priorities
from queuectl.cli.invocation import Invocation
from queuectl.cli.selectors import selects_tasks
from queuectl.cli.task_bulk import TaskVerb, act
from queuectl.domain.lifecycle import WAITING, Move, State, sources
from queuectl.domain.task import Task
from queuectl.errors import InvalidInputError
from queuectl.operations.selectors import Selectors

_LIMIT = "At most this many, the oldest first."


@selects_tasks(without=(), limit=_LIMIT)
def cancel(ctx: typer.Context, selectors: Selectors, *, yes: Yes = False, dry_run: DryRun = False) -> int:
    """Cancel tasks: waiting ones at once, running ones within seconds.

    One task is cancelled without a question. Of several, or by filters, five are shown first, and the
    question is answered with --yes where no person is.

    Examples:
      queuectl cancel task_12
      queuectl cancel --batch batch_3
      queuectl cancel --queue low --host example.com --dry-run
    """
    run: Invocation = ctx.obj
    verb = TaskVerb(
        "cancel",
        "cancelled",
        sources(Move.CANCEL),
        run.manager.cancel_task,
        partial(told_of_cancel, run),
        run.manager.cancel_tasks,
        _cancel_foretold,
    )
    return act(run, verb, selectors, yes=yes, dry_run=dry_run)


def told_of_cancel(run: Invocation, task: Task) -> str:
    """Return what cancelling did to a task, to follow its name."""
    if task.state is State.RUNNING:
        from queuectl.cli.stopping import asked_to_stop

        return asked_to_stop(run, task)
    return "is cancelled"


def _cancel_foretold(counts: Mapping[State, int]) -> list[str]:
    running = counts.get(State.RUNNING, 0)
    waiting = sum(counts.values()) - running
    sentences = []
    if waiting:
        sentences.append(
            f"{waiting:,} of them {'waits and ends' if waiting == 1 else 'wait and end'} at once"
        )
    if running:
        sentences.append(
            f"{running:,} of them {'runs and is' if running == 1 else 'run and are'} asked to stop"
        )
    return sentences


@selects_tasks(without=(), limit=_LIMIT)
def retry(ctx: typer.Context, selectors: Selectors, *, yes: Yes = False, dry_run: DryRun = False) -> int:
    """Send dead, cancelled or retrying tasks back to their queue.

    They have all their attempts before them again.

    Examples:
      queuectl retry task_12
      queuectl retry --state dead --host example.com --since 2h
      queuectl retry --state cancelled --batch batch_3 --yes
    """
    run: Invocation = ctx.obj
    verb = TaskVerb(
        "retry",
        "queued again",
        sources(Move.REQUEUE),
        run.manager.retry_task,
        told_of_retry,
        run.manager.retry_tasks,
        lambda counts: ["they go back to their queues and have all their attempts before them"],
    )
    return act(run, verb, selectors, yes=yes, dry_run=dry_run)


def told_of_retry(task: Task) -> str:
    """Return what retrying did to a task, to follow its name."""
    return f"is queued again in {task.queue}"


@selects_tasks(without=("priority",), limit=_LIMIT)
def reprioritize(
    ctx: typer.Context,
    selectors: Selectors,
    *,
    priority: Annotated[
        str | None,
        typer.Option("--priority", "-p", metavar="NAME", help="The new priority.", autocompletion=priorities),
    ] = None,
    score: Annotated[
        int | None, typer.Option(metavar="N", help="The new score; higher starts first.")
    ] = None,
    yes: Yes = False,
    dry_run: DryRun = False,
) -> int:
    """Give waiting tasks another priority, and with it another queue and place.

    Examples:
      queuectl reprioritize task_12 --priority urgent
      queuectl reprioritize --batch batch_3 --score 9
      queuectl reprioritize --queue low --host example.com --priority high --dry-run
    """
    from queuectl.domain.priority import checked_score, level_named, level_of_score

    run: Invocation = ctx.obj
    if (priority is None) == (score is None):
        raise InvalidInputError(
            "--priority and --score contradict each other" if priority else "the new priority is missing",
            hint="give --priority NAME or --score N",
        )
    wanted = level_named(priority).score if priority is not None else checked_score(score)
    queue = level_of_score(wanted).queue
    verb = TaskVerb(
        "reprioritize",
        f"given score {wanted}",
        WAITING,
        partial(run.manager.reprioritize_task, score=wanted),
        lambda task: f"has score {wanted} and waits in {queue}",
        partial(run.manager.reprioritize_tasks, score=wanted),
        lambda counts: [f"they get score {wanted} and wait in {queue}"],
    )
    return act(run, verb, selectors, yes=yes, dry_run=dry_run)
