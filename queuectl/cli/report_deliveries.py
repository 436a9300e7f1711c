"""``queuectl report deliveries``: which reports the daemon delivers by itself, and how far that is."""

from __future__ import annotations

import typer

from queuectl.cli.invocation import Invocation


def deliveries(ctx: typer.Context) -> None:
    """List planned reports: when next, when last, and what went wrong.

    The daemon delivers them by itself, as the setting report_schedule says. A line that a daemon sees for the first
    time is delivered from its next moment on.

    Examples:
      queuectl report deliveries
    """
    from queuectl.cli.render.reports import delivery_grid
    from queuectl.shapes.reports import delivery_shape

    run: Invocation = ctx.obj
    found = run.reporter.planned_deliveries()
    if not found:
        run.output.say("no reports are planned; set report_schedule, see: docs/reports.md")
    if found or run.output.json:
        run.output.show(
            lambda: {"deliveries": [delivery_shape(each) for each in found]},
            lambda: delivery_grid(found, run.settings.timezone),
            [each.delivery.key for each in found],
        )
