"""``queuectl schedule optimize``: spread tasks over a window of time."""

from __future__ import annotations

from typing import Annotated

import typer

from queuectl.cli.invocation import Invocation
from queuectl.cli.selectors import selects_tasks
from queuectl.errors import NoPlanError
from queuectl.operations.selectors import Selectors


@selects_tasks(without=("everything", "limit"))
def optimize(
    ctx: typer.Context,
    selectors: Selectors,
    *,
    start: Annotated[str, typer.Option(metavar="TIME", help="When the first of them may start.")],
    end: Annotated[str, typer.Option(metavar="TIME", help="Before when the last of them has to start.")],
    max_per_hour: Annotated[
        int, typer.Option("--max-per-hour", metavar="N", help="At most so many starts in any hour.")
    ],
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
    from queuectl.cli.render.optimisation import plan_grid, plan_summary
    from queuectl.domain.task import task_name
    from queuectl.shapes.forecasts import no_plan_shape, optimisation_shape
    from queuectl.times import parse_moment

    run: Invocation = ctx.obj
    zone = run.settings.timezone
    window = {
        "start": parse_moment(start, zone),
        "end": parse_moment(end, zone),
        "max_per_hour": max_per_hour,
    }
    selection = selectors.narrow_selection(run.settings.timezone, "spread", or_all=False)
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
