"""``queuectl schedule optimize``: spread tasks over a window of time."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from queuectl.cli.bulk import SAMPLE, Plan, Yes, agreed
from queuectl.cli.invocation import Invocation
from queuectl.cli.selectors import selects_tasks
from queuectl.cli.undo import hint
from queuectl.domain.selection import Selection
from queuectl.errors import NoPlanError
from queuectl.operations.selectors import Selectors

if TYPE_CHECKING:
    from queuectl.domain.optimisation import Optimisation


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
    yes: Yes = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan and change nothing.")] = False,
) -> None:
    """Spread tasks evenly over a window, with at most so many starts in any hour.

    Other planned starts in and around the window are counted too. Higher scores start earlier,
    hosts keep their gaps, and as many tasks as can keep the time they have. If there is no plan,
    it says which limit is in the way and which change would be enough.

    One task gets its time without a question. Of several, or by filters, the first of the plan are shown first,
    and the question is answered with --yes where no person is.

    Examples:
      queuectl schedule optimize --start "tomorrow 08:00" --end "tomorrow 18:00" --max-per-hour 5 --queue low --dry-run
      queuectl schedule optimize 12 13 14 --start "in 10m" --end "in 3h" --max-per-hour 2
      queuectl schedule optimize --batch batch_3 --start 22:00 --end "in 1d" --max-per-hour 60 --yes
    """
    from queuectl.times import parse_moment

    run: Invocation = ctx.obj
    zone = run.settings.timezone
    window = {
        "start": parse_moment(start, zone),
        "end": parse_moment(end, zone),
        "max_per_hour": max_per_hour,
    }
    selection = selectors.narrow_selection(zone, "spread", or_all=False)
    try:
        if dry_run or yes or selection == Selection(ids=selection.ids[:1]):
            found = run.scheduler.optimize_selection(selection, window, dry_run=dry_run)
        else:
            found = _agreed(run, selection, window)
    except NoPlanError as error:
        if run.output.json:
            from queuectl.shapes.forecasts import no_plan_shape

            run.output.document(no_plan_shape(error))
        raise
    _show(run, found)


def _agreed(run: Invocation, selection: Selection, window: dict[str, Any]) -> Optimisation:
    """Show the beginning of the plan and ask; return it as it was written then.

    Raises:
        QueuectlError: there is no plan, or nobody has said yes.
    """
    from queuectl.cli.render.optimisation import plan_grid, plan_summary
    from queuectl.cli.render.words import count

    found = run.scheduler.optimize_selection(selection, window, dry_run=True)
    if not found.moved:
        return found
    moved = tuple(each for each in found.times if each.moved)
    zone = run.settings.timezone
    sample = plan_grid(replace(found, times=moved[:SAMPLE]), zone)
    plan = Plan("spread", count(found.moved, "task"), found.moved, sample, plan_summary(found, zone))
    agreed(run, plan, yes=False, dry_run=False)
    return run.scheduler.optimize_selection(selection, window)


def _show(run: Invocation, found: Optimisation) -> None:
    from queuectl.cli.render.optimisation import plan_grid, plan_summary
    from queuectl.domain.task import task_name
    from queuectl.shapes.forecasts import optimisation_shape

    zone = run.settings.timezone
    run.output.show(
        lambda: optimisation_shape(found),
        lambda: plan_grid(found, zone),
        [task_name(each.id) for each in found.times if each.moved],
    )
    end = (hint(run) if found.moved else "") if found.applied else "; nothing was changed"
    for line in plan_summary(found, zone, end):
        run.output.say(line)
