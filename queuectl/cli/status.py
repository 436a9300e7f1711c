"""``queuectl status``: the whole system on one screen."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from queuectl.cli.invocation import Invocation
from queuectl.errors import InvalidInputError

if TYPE_CHECKING:
    from queuectl.cli.render.status import Screen

_SHOWN_RUNNING = 10
_MOST_RUNNING = 100
_LEAVING = frozenset({"q", "Q", "ctrl-c", "escape"})


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
        from queuectl.shapes.status import status_shape

        alerts = [(alert.message, alert.hint) for alert in screen.alerts()]
        health = run.monitor.get_health(screen.status)
        output.document(status_shape(screen.status, screen.running, alerts, health))
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
    from queuectl.cli.refreshing import Refreshing
    from queuectl.cli.render.fullscreen import FullScreen, rendered
    from queuectl.cli.render.status import rich_status

    if run.output.json or not run.output.on_terminal:
        raise InvalidInputError(
            "--watch needs a terminal", hint="leave out --watch, or call it without a pipe"
        )
    first = _screen(run, _MOST_RUNNING)
    run.monitor.close()
    with (
        FullScreen() as full,
        Refreshing(
            partial(_screen, run, _MOST_RUNNING), first, tell=full.wake, close=run.monitor.close
        ) as readings,
    ):
        while True:
            readings.check()
            size = full.size
            drawing = rich_status(
                replace(readings.latest, trouble=readings.note), size.columns, lines=size.lines
            )
            full.show(rendered(run.output.console, drawing, size.columns))
            if not _LEAVING.isdisjoint(full.wait(1.0)):
                return
