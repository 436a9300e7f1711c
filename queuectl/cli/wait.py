"""``queuectl wait``: return when tasks have ended, and say how."""

from __future__ import annotations

from typing import Annotated

import typer

from queuectl.cli import choices
from queuectl.cli.invocation import Invocation
from queuectl.domain.lifecycle import FINAL, State
from queuectl.domain.task import Task, task_name
from queuectl.errors import ExitCode


def wait(
    ctx: typer.Context,
    ids: Annotated[
        list[str],
        typer.Argument(metavar="ID...", help="Tasks, such as task_12 or 12.", autocompletion=choices.ids),
    ],
    timeout: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="Stop waiting after this time (exit code 124).")
    ] = None,
) -> int:
    """Wait until tasks have ended; the exit code is 7 if one of them did not succeed.

    Examples:
      queuectl wait task_12
      queuectl wait 12 13 14 --timeout 60
    """
    from queuectl.cli.daemon_watch import say_if_none_runs
    from queuectl.shapes.tasks import task_shape

    run: Invocation = ctx.obj
    say_if_none_runs(run)
    tasks, code = wait_and_tell(run, ids, timeout)
    if run.output.json:
        run.output.document({"tasks": [task_shape(task) for task in tasks]})
    else:
        for task in tasks:
            run.output.result(f"{task_name(task.id)}  {task.state}")
    return code


def wait_and_tell(run: Invocation, ids: list[str], timeout: float | None) -> tuple[list[Task], int]:
    """Wait for tasks, tell on standard error as each ends, and return them with the exit code."""

    def tell(number: int, state: State) -> None:
        if state in FINAL:
            run.output.say(f"{task_name(number)} {state}")

    try:
        tasks = run.manager.wait_for(ids, timeout, tell)
    except KeyboardInterrupt:
        run.output.say("no longer waiting; the tasks go on")
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    for task in tasks:
        if task.state is not State.SUCCEEDED and task.error:
            run.output.say(f"{task_name(task.id)}: {task.error}")
    succeeded = all(task.state is State.SUCCEEDED for task in tasks)
    return tasks, ExitCode.DONE if succeeded else ExitCode.AWAITED_TASK_FAILED
