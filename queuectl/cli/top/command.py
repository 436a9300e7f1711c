"""``queuectl top``: read, draw, and do what the keys say."""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from queuectl.cli.invocation import Invocation
from queuectl.errors import InvalidInputError

if TYPE_CHECKING:
    from queuectl.cli.refreshing import Refreshing
    from queuectl.cli.render.fullscreen import FullScreen
    from queuectl.cli.top.reading import Reader, Reading
    from queuectl.cli.top.view import Deed, View


def top(
    ctx: typer.Context,
    readonly: Annotated[
        bool, typer.Option("--readonly", help="Refuse the keys that change something.")
    ] = False,
) -> None:
    """Watch queues and tasks live, and control them by keys.

    Arrows or j and k move, Tab goes to the next list, Enter shows everything about a task or queue, e explains
    why a task waits, p pauses or resumes a queue, c cancels, r retries, / filters, s sorts, ? helps, q quits.
    What changes something is asked first.

    Examples:
      queuectl top
      queuectl top --readonly
    """
    run: Invocation = ctx.obj
    _need_a_terminal(run)

    from queuectl.cli.refreshing import Refreshing
    from queuectl.cli.render.fullscreen import FullScreen
    from queuectl.cli.top.reading import Reader
    from queuectl.cli.top.view import View

    reader = Reader(run)
    first = reader.read()
    reader.close()
    view = View(first.snapshot, readonly=readonly)
    with (
        FullScreen() as screen,
        Refreshing(reader.read, first, tell=screen.wake, close=reader.close) as readings,
    ):
        _live(run, view, reader, screen, readings)


def _live(
    run: Invocation, view: View, reader: Reader, screen: FullScreen, readings: Refreshing[Reading]
) -> None:
    from queuectl.cli.render.top import top_lines

    shown = readings.latest
    while not view.left:
        readings.check()
        if readings.latest is not shown:
            shown = readings.latest
            view.take(shown.snapshot)
        lines = top_lines(run.output.console, view, shown, screen.size, run.settings.timezone, readings.note)
        screen.show(lines)
        for key in screen.wait(1.0):
            deed = view.press(key)
            if deed is not None:
                readings.order(partial(_do, view, reader, deed))
            if view.sheet is not reader.sheet:
                reader.sheet = view.sheet
                readings.now()


def _do(view: View, reader: Reader, deed: Deed) -> None:
    view.message = reader.do(deed)


def _need_a_terminal(run: Invocation) -> None:
    """Make sure that a person is there.

    Raises:
        InvalidInputError: nobody is, or the terminal cannot show a screen.
    """
    if run.output.json or not run.output.on_terminal or not sys.stdin.isatty():
        raise InvalidInputError(
            "top needs a terminal", hint="for programs and pipes there is: queuectl status --json"
        )
    if run.output.console.is_dumb_terminal:
        raise InvalidInputError(
            "top needs a terminal that can place text", hint="set TERM, or use: queuectl status"
        )
