"""``queuectl batches`` and ``batch-status``: how far batches are, and when they may end."""

from __future__ import annotations

from typing import Annotated

import typer

from queuectl.cli import choices
from queuectl.cli.invocation import Invocation

_LONGEST_LIST = 10_000


def batches(
    ctx: typer.Context,
    limit: Annotated[
        int, typer.Option(metavar="N", min=1, max=_LONGEST_LIST, help="At most this many.")
    ] = 20,
) -> None:
    """List batches with their progress, the newest first.

    Examples:
      queuectl batches
      queuectl batches --limit 5 --json
    """
    from queuectl.cli.render.batches import batch_grid
    from queuectl.cli.render.words import wider
    from queuectl.clock import now_ms
    from queuectl.domain.task import batch_name
    from queuectl.shapes.batches import batch_shape

    run: Invocation = ctx.obj
    found = run.monitor.list_batches(limit)
    if not found:
        run.output.say("there are no batches; submit one with: queuectl batch FILE")
    if found or run.output.json:
        run.output.show(
            lambda: {"batches": [batch_shape(each) for each in found]},
            lambda: batch_grid(found, now_ms()),
            [batch_name(each.id) for each in found],
        )
    if len(found) == limit:
        run.output.say(f"these are the newest {limit:,}{wider(limit, _LONGEST_LIST)}")


def batch_status(
    ctx: typer.Context,
    batch_id: Annotated[
        str,
        typer.Argument(metavar="ID", help="A batch, such as batch_3 or 3.", autocompletion=choices.batches),
    ],
) -> None:
    """Show how far a batch is, when it may end, and what failed.

    The end is an estimate from the tasks' times and from how fast tasks of the batch have ended lately.

    Examples:
      queuectl batch-status batch_3
      queuectl batch-status 3 --json
    """
    from queuectl.cli.daemon_watch import say_if_none_runs
    from queuectl.cli.render.batches import batch_facts
    from queuectl.cli.render.dead_letters import group_grid
    from queuectl.clock import now_ms
    from queuectl.domain.task import batch_name
    from queuectl.shapes.batches import batch_shape, failures_shape

    run: Invocation = ctx.obj
    found = run.monitor.get_batch_status(batch_id)
    now = now_ms()
    run.output.show(
        lambda: batch_shape(found) | failures_shape(found),
        lambda: batch_facts(found, run.settings.timezone, now),
        [batch_name(found.id)],
    )
    if found.failures and not run.output.json and not run.output.quiet:
        run.output.line("")
        run.output.grid(group_grid(found.failures, now))
        run.output.say(f"to run these again: queuectl dead resurrect --batch {batch_name(found.id)}")
    if found.open:
        say_if_none_runs(run)
