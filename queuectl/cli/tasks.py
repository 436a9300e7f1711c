"""``queuectl list``, ``show``, ``cancel`` and ``retry``: look at tasks and act on them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from queuectl.cli.choices import priorities, states
from queuectl.cli.invocation import Invocation
from queuectl.domain.lifecycle import State
from queuectl.domain.task import Task, task_name
from queuectl.errors import ExitCode, InvalidInputError, PartlyDoneError, QueuectlError

Ids = Annotated[list[str], typer.Argument(metavar="ID...", help="Tasks, such as task_12 or 12.")]


def list_tasks(
    ctx: typer.Context,
    state: Annotated[
        list[str] | None,
        typer.Option(
            metavar="STATE", help="Only tasks in this state; may be repeated.", autocompletion=states
        ),
    ] = None,
    queue: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", help="Only tasks of this queue; may be repeated.", autocompletion=priorities
        ),
    ] = None,
    priority: Annotated[
        list[str] | None,
        typer.Option(
            "--priority", "-p", metavar="NAME", help="The same by priority.", autocompletion=priorities
        ),
    ] = None,
    batch: Annotated[str | None, typer.Option(metavar="ID", help="Only tasks of this batch.")] = None,
    host: Annotated[str | None, typer.Option(metavar="HOST", help="Only URLs on this host.")] = None,
    url: Annotated[str | None, typer.Option(metavar="TEXT", help="Only URLs with this text in them.")] = None,
    error: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Only errors with this text in them.")
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Submitted at or after this time; 2h means 2 hours ago."),
    ] = None,
    until: Annotated[str | None, typer.Option(metavar="TIME", help="Submitted before this time.")] = None,
    limit: Annotated[int, typer.Option(metavar="N", min=1, max=100_000, help="At most this many.")] = 50,
) -> None:
    """List tasks, the newest first.

    Examples:
      queuectl list --state dead --since 2h
      queuectl list --queue urgent --host example.com
      queuectl list --batch batch_3 --json
    """
    from queuectl.cli.render.shapes import task_shape
    from queuectl.cli.render.tables import task_grid
    from queuectl.clock import now_ms
    from queuectl.domain.priority import level_named, queue_named
    from queuectl.domain.selection import Selection

    run: Invocation = ctx.obj
    queues = [queue_named(each) for each in queue or []]
    queues.extend(level_named(each).queue for each in priority or [])
    selection = Selection(
        states=tuple(_state(each) for each in state or []),
        queues=tuple(queues),
        batch=_batch_number(batch) if batch is not None else None,
        host=host,
        url=url,
        error=error,
        since=_time(run, since),
        until=_time(run, until),
        limit=limit,
    )
    tasks = run.manager.list_tasks(selection)
    if not tasks:
        run.output.say("no task matches")
    if tasks or run.output.json:
        run.output.show(
            lambda: {"tasks": [task_shape(task) for task in tasks]},
            lambda: task_grid(tasks, now_ms()),
            [task_name(task.id) for task in tasks],
        )
    if len(tasks) == limit:
        run.output.say(f"these are the newest {limit}; there may be more: --limit {limit * 10}")


def _state(name: str) -> State:
    try:
        return State(name.strip().lower())
    except ValueError as error:
        known = ", ".join(State)
        raise InvalidInputError(f"there is no state {name!r}", hint=f"the states are {known}") from error


def _batch_number(text: str) -> int:
    digits = text.strip().removeprefix("batch_")
    if not digits.isdecimal() or len(digits) > 18:
        raise InvalidInputError(f"{text!r} is not a batch id", hint="ids look like batch_3")
    return int(digits)


def _time(run: Invocation, text: str | None) -> int | None:
    if text is None:
        return None
    from queuectl.times import milliseconds, parse_moment

    return milliseconds(parse_moment(text, run.settings.timezone, towards="past"))


def show(
    ctx: typer.Context,
    task_id: Annotated[str, typer.Argument(metavar="ID", help="A task, such as task_12 or 12.")],
) -> None:
    """Show one task with the timeline of all its attempts.

    Examples:
      queuectl show task_12
      queuectl show 12 --json
    """
    from queuectl.cli.render.shapes import task_shape
    from queuectl.cli.render.tables import attempt_grid, task_facts

    run: Invocation = ctx.obj
    task = run.manager.get_task(task_id)
    zone = run.settings.timezone
    run.output.show(
        lambda: task_shape(task, with_attempts=True),
        lambda: task_facts(task, zone),
        [f"{task_name(task.id)}  {task.state}"],
    )
    if task.attempts and not run.output.json and not run.output.quiet:
        run.output.line("")
        run.output.grid(attempt_grid(task.attempts, zone))


def cancel(ctx: typer.Context, ids: Ids) -> None:
    """Cancel tasks: waiting ones at once, running ones within seconds.

    Examples:
      queuectl cancel task_12
      queuectl cancel 12 13 14
    """
    run: Invocation = ctx.obj
    _each(run, ids, run.manager.cancel_task, lambda task: _cancelled(run, task))


def _cancelled(run: Invocation, task: Task) -> str:
    if task.state is State.RUNNING:
        from queuectl.cli.stopping import asked_to_stop

        return asked_to_stop(run, task)
    return f"is cancelled; undo it with: queuectl retry {task_name(task.id)}"


def retry(ctx: typer.Context, ids: Ids) -> None:
    """Send dead, cancelled or retrying tasks back to their queue.

    They have all their attempts before them again.

    Examples:
      queuectl retry task_12
      queuectl list --state dead -q | xargs queuectl retry
    """
    run: Invocation = ctx.obj
    _each(run, ids, run.manager.retry_task, lambda task: f"is queued again in {task.queue}")


def _each(run: Invocation, ids: list[str], act: Callable[[str], Task], told: Callable[[Task], str]) -> None:
    """Act on each task; where some can be acted on and some not, do what can be done and say so.

    Raises:
        QueuectlError: there was one task only, or none could be acted on.
        PartlyDoneError: some could not.
    """
    from queuectl.cli.render.shapes import task_shape

    done: list[Task] = []
    failed: list[tuple[str, QueuectlError]] = []
    for each in ids:
        try:
            done.append(act(each))
        except QueuectlError as error:
            if error.exit_code not in {ExitCode.NOT_FOUND, ExitCode.REFUSED}:
                raise
            failed.append((each, error))
    if failed and not done:
        raise failed[0][1]
    if run.output.json:
        failures = [{"id": each, "message": error.message} for each, error in failed]
        run.output.document({"tasks": [task_shape(task) for task in done], "failed": failures})
    for task in done:
        if not run.output.json:
            run.output.line(task_name(task.id))
        run.output.say(f"{task_name(task.id)} {told(task)}")
    if failed:
        reasons = "; ".join(error.message for _, error in failed)
        raise PartlyDoneError(f"{len(done)} of {len(ids)} done: {reasons}", hint="see: queuectl list")
