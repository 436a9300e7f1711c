"""``queuectl explain``: why a task does not run, and when it could start."""

from __future__ import annotations

import typer

from queuectl.cli.choices import TaskId
from queuectl.cli.invocation import Invocation
from queuectl.domain.lifecycle import WAITING
from queuectl.domain.task import Task, task_name


def explain(
    ctx: typer.Context,
    task_id: TaskId,
) -> None:
    """Say why a task does not run, and when it could start.

    The reasons begin with the one that keeps it longest; below each stands the command that changes it.

    Examples:
      queuectl explain task_12
      queuectl explain 12 --json
    """
    from queuectl.cli.render.explanation import explanation_lines, rich_explanation
    from queuectl.shapes.forecasts import explanation_shape

    run: Invocation = ctx.obj
    found = run.monitor.explain(task_id)
    output, zone = run.output, run.settings.timezone
    if output.json:
        output.document(explanation_shape(found))
    elif output.quiet:
        output.line(f"{task_name(found.task.id)}  {found.reasons[0].cause if found.reasons else 'startable'}")
    elif output.on_terminal:
        output.draw(rich_explanation(found, zone))
    else:
        for line in explanation_lines(found, zone):
            output.line(line)


def why_it_waits(run: Invocation, task: Task) -> str | None:
    """Return in one line why a task waits; None if it does not."""
    if task.state not in WAITING:
        return None
    from queuectl.cli.render.explanation import headline

    return headline(run.monitor.explain(task.id), run.settings.timezone)
