"""``queuectl schedule optimize``: spread tasks over a window of time."""

from __future__ import annotations

from typing import Annotated

import typer

from queuectl.cli.choices import priorities
from queuectl.cli.invocation import Invocation
from queuectl.cli.tasks import _batch_number
from queuectl.errors import InvalidInputError, NoPlanError


def optimize(
    ctx: typer.Context,
    start: Annotated[str, typer.Option(metavar="TIME", help="When the first of them may start.")],
    end: Annotated[str, typer.Option(metavar="TIME", help="Before when the last of them has to start.")],
    max_per_hour: Annotated[
        int, typer.Option("--max-per-hour", metavar="N", help="At most so many starts in any hour.")
    ],
    ids: Annotated[
        list[str] | None, typer.Argument(metavar="[ID]...", help="Tasks, such as task_12 or 12.")
    ] = None,
    queue: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", help="Only tasks of this queue; may be repeated.", autocompletion=priorities
        ),
    ] = None,
    batch: Annotated[str | None, typer.Option(metavar="ID", help="Only tasks of this batch.")] = None,
    host: Annotated[str | None, typer.Option(metavar="HOST", help="Only URLs on this host.")] = None,
    url: Annotated[str | None, typer.Option(metavar="TEXT", help="Only URLs with this text in them.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan and change nothing.")] = False,
) -> None:
    """Spread tasks evenly over a window, with at most so many starts in any hour.

    Other planned starts in and around the window are counted too. Higher scores start earlier,
    hosts keep their gaps, and as many tasks as can keep the time they have. If there is no plan,
    it says which limit is in the way and which change would be enough.

    Examples:
      queuectl schedule optimize --start "tomorrow 08:00" --end "tomorrow 18:00" --max-per-hour 5 --queue low --dry-run
      queuectl schedule optimize 12 13 14 --start "in 10m" --end "in 3h" --max-per-hour 2
    """
    from queuectl.cli.render.optimisation import no_plan_shape, optimisation_shape, plan_grid, plan_summary
    from queuectl.domain.priority import queue_named
    from queuectl.domain.selection import Selection
    from queuectl.domain.task import task_name, task_number
    from queuectl.times import parse_moment

    run: Invocation = ctx.obj
    zone = run.settings.timezone
    window = {
        "start": parse_moment(start, zone),
        "end": parse_moment(end, zone),
        "max_per_hour": max_per_hour,
    }
    if not any((ids, queue, batch, host, url)):
        raise InvalidInputError(
            "it is not said which tasks to spread", hint="give ids, or filters such as --queue low"
        )
    selection = Selection(
        ids=tuple(dict.fromkeys(task_number(each) for each in ids or ())),
        queues=tuple(queue_named(each) for each in queue or ()),
        batch=_batch_number(batch) if batch is not None else None,
        host=host,
        url=url,
    )
    try:
        found = run.scheduler.optimize_selection(selection, window, dry_run=dry_run)
    except NoPlanError as error:
        if run.output.json:
            run.output.document(no_plan_shape(error))
        raise
    run.output.show(
        lambda: optimisation_shape(found),
        lambda: plan_grid(found, zone),
        [task_name(each.id) for each in found.times if each.moved],
    )
    for line in plan_summary(found, zone):
        run.output.say(line)
