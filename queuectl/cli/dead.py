"""``queuectl dead``: tasks that will not run again unless a person says so."""

from __future__ import annotations

from typing import Annotated

import typer

from queuectl.cli.help import command, group
from queuectl.cli.invocation import Invocation
from queuectl.errors import DeadLetterNotFoundError

app = group("Look at tasks that will not run again.")


@command(app, "list")
def list_dead(
    ctx: typer.Context,
    limit: Annotated[int, typer.Option(metavar="N", min=1, max=100_000, help="At most this many.")] = 50,
) -> None:
    """List dead letters, the newest first.

    Examples:
      queuectl dead list
      queuectl dead list --json --limit 1000
    """
    from queuectl.cli.render.shapes import dead_letter_shape
    from queuectl.cli.render.tables import dead_letter_grid
    from queuectl.clock import now_ms

    run: Invocation = ctx.obj
    letters = run.monitor.get_dead_letter_queue(limit)
    if not letters:
        run.output.say("there are no dead letters")
    if letters or run.output.json:
        run.output.show(
            lambda: {"dead_letters": [dead_letter_shape(each) for each in letters]},
            lambda: dead_letter_grid(letters, now_ms()),
            [str(each.id) for each in letters],
        )


@command(app)
def show(
    ctx: typer.Context,
    dead_letter_id: Annotated[str, typer.Argument(metavar="ID", help="A dead letter's number.")],
) -> None:
    """Show one dead letter with its cause.

    Examples:
      queuectl dead show 3
    """
    from queuectl.cli.render.shapes import dead_letter_shape
    from queuectl.cli.render.tables import dead_letter_facts
    from queuectl.domain.task import task_name

    run: Invocation = ctx.obj
    if not dead_letter_id.isdecimal() or len(dead_letter_id) > 18:
        raise DeadLetterNotFoundError(
            f"{dead_letter_id!r} is not a dead letter's number", hint="see: queuectl dead list"
        )
    letter = run.monitor.get_dead_letter(int(dead_letter_id))
    run.output.show(
        lambda: dead_letter_shape(letter),
        lambda: dead_letter_facts(letter, run.settings.timezone),
        [str(letter.id)],
    )
    name = task_name(letter.task_id)
    run.output.say(f"its attempts: queuectl show {name}; to run it again: queuectl retry {name}")
