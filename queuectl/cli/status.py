"""``queuectl status``: the whole system on one screen."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from queuectl.cli.invocation import Invocation
from queuectl.errors import InvalidInputError, QueuectlError

if TYPE_CHECKING:
    from rich.console import RenderableType

    from queuectl.cli.render.status import Screen

_SHOWN_RUNNING = 10


def status(
    ctx: typer.Context,
    watch: Annotated[
        bool, typer.Option("--watch", "-w", help="Refresh the screen until q or Ctrl-C.")
    ] = False,
) -> None:
    """Show queues, daemons, running tasks and what needs attention.

    Examples:
      queuectl status
      queuectl status --watch
      queuectl status --json
    """
    from queuectl.cli.render.status import plain_status, rich_status

    run: Invocation = ctx.obj
    output = run.output
    if watch:
        _watch(run)
        return
    screen = _screen(run, _SHOWN_RUNNING)
    if output.json:
        from queuectl.cli.render.shapes import status_shape

        alerts = [(alert.message, alert.hint) for alert in screen.alerts()]
        output.document(status_shape(screen.status, screen.running, alerts))
    elif output.on_terminal:
        output.draw(rich_status(screen, output.console.width))
    else:
        for line in plain_status(screen):
            output.line(line)


def _screen(run: Invocation, running: int) -> Screen:
    from queuectl.cli.render.status import Screen

    status_now = run.monitor.get_realtime_status()
    busy = any(queue.running for queue in status_now.queues)
    return Screen(status_now, run.monitor.running(running) if busy else [], run.settings.timezone)


def _watch(run: Invocation) -> None:
    from queuectl.cli.render.live import watch
    from queuectl.cli.render.status import rich_status, room_for_running

    if run.output.json or not run.output.on_terminal:
        raise InvalidInputError(
            "--watch needs a terminal", hint="leave out --watch, or call it without a pipe"
        )
    last: list[Screen] = []

    def draw() -> RenderableType:
        try:
            last[:] = [_screen(run, room_for_running(run.output.console.size.height))]
        except QueuectlError as error:
            if not last:
                raise
            # The database may come back; until then the last screen stays, and says so.
            last[:] = [replace(last[0], trouble=error.message)]
        return rich_status(last[0], run.output.console.width, live=True)

    watch(run.output, draw)
