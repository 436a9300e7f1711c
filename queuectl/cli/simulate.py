"""``queuectl simulate``: when the queues would be done, and what a change would make of it."""

from __future__ import annotations

from typing import Annotated

import typer

from queuectl.cli.choices import priorities
from queuectl.cli.invocation import Invocation
from queuectl.errors import InvalidInputError


def simulate(
    ctx: typer.Context,
    workers: Annotated[
        int | None, typer.Option(metavar="N", help="What if so many tasks ran at a time.")
    ] = None,
    rate_limit: Annotated[
        list[str] | None,
        typer.Option(
            "--rate-limit",
            metavar="NAME=RATE",
            help="What if a queue had this rate limit, such as low=150/h.",
        ),
    ] = None,
    concurrency: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=N", help="What if so many tasks of a queue ran at a time; none: any number."
        ),
    ] = None,
    add: Annotated[int, typer.Option(metavar="N", help="What if so many tasks were submitted now.")] = 0,
    priority: Annotated[
        str,
        typer.Option("--priority", "-p", metavar="NAME", help="Their priority.", autocompletion=priorities),
    ] = "medium",
    duration: Annotated[
        int | None,
        typer.Option(metavar="MS", help="How long each of them runs; without, as long as recorded runs."),
    ] = None,
) -> None:
    """Say when the queues will be done, also with a change; nothing is changed.

    The tasks that wait go through the rules by which the daemon starts them, with run times like
    those recorded. Tasks that are submitted later, and retries of what fails, are not known yet.

    Examples:
      queuectl simulate
      queuectl simulate --workers 16
      queuectl simulate --add 2000 --priority high --rate-limit low=60/h --json
    """
    from queuectl.cli.render.simulation import simulation_grids, simulation_words
    from queuectl.operations.forecast import WhatIf
    from queuectl.shapes.forecasts import simulation_shape

    run: Invocation = ctx.obj
    wanted = WhatIf(
        workers=workers,
        rate_limits=_named(rate_limit, "--rate-limit low=150/h"),
        concurrency={name: _whole(text) for name, text in _named(concurrency, "--concurrency low=2").items()},
        add=add,
        priority=priority,
        duration_ms=duration,
    )
    found = run.monitor.simulate(wanted)
    if run.output.json:
        run.output.document(simulation_shape(found))
        return
    zone = run.settings.timezone
    for place, grid in enumerate(simulation_grids(found, zone)):
        if place:
            run.output.line("")
        run.output.grid(grid)
    for line in simulation_words(found, zone):
        run.output.say(line)


def _named(options: list[str] | None, example: str) -> dict[str, str]:
    named: dict[str, str] = {}
    for option in options or ():
        name, given, value = option.partition("=")
        if not given or not name or not value:
            raise InvalidInputError(f"{option!r} is not a queue and a value", hint=f"write {example}")
        named[name] = value
    return named


def _whole(text: str) -> int | None:
    if text.strip().lower() == "none":
        return None
    try:
        return int(text)
    except ValueError as error:
        raise InvalidInputError(
            f"the concurrency {text!r} is not a whole number", hint="write --concurrency low=2"
        ) from error
