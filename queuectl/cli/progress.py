"""A progress bar on standard error, where a person waits long enough to want one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from queuectl.cli.invocation import Invocation

_LONG = 5_000
"""From this number of steps on a person wants to see that something happens."""


@contextmanager
def progress(run: Invocation, steps: int) -> Iterator[Callable[[int], None] | None]:
    """Show a bar while the body runs and calls what it is given with the number of steps done so far."""
    output = run.output
    if output.quiet or output.json or steps < _LONG or not output.messages_on_terminal:
        yield None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    with Progress(
        BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=output.messages, transient=True
    ) as shown:
        bar = shown.add_task("", total=steps)
        yield lambda done: shown.update(bar, completed=done)
