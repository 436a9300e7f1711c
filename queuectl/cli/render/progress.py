"""Progress bars on standard error, where a person waits long enough to want one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from queuectl.cli.render.output import Output

if TYPE_CHECKING:
    from rich.progress import Progress, ProgressColumn, TaskID

_LONG = 5_000
"""From this number of steps on a person wants to see that something happens."""


@contextmanager
def progress(output: Output, steps: int) -> Iterator[Callable[[int], None] | None]:
    """Show a bar while the body runs and calls what it is given with the number of steps done so far."""
    with stages(output, counted=True, wanted=steps >= _LONG) as show:
        yield None if show is None else lambda done: show("", done, steps)


@contextmanager
def copying(
    output: Output, what: str = "", *, counted: bool = False
) -> Iterator[Callable[[int, int], None] | None]:
    """Show a bar for work whose body calls what it is given with what is done, and what there is to do."""
    with stages(output, counted=counted) as show:
        yield None if show is None else lambda done, total: show(what, done, total)


@contextmanager
def stages(
    output: Output, *, counted: bool = False, wanted: bool = True
) -> Iterator[Callable[[str, int, int | None], None] | None]:
    """Show a bar for each stage of some work: the body tells its name, what is done of it and what there is to do.

    A stage is over when the next one begins. ``counted`` shows numbers in place of a share. There is None to
    call where nobody watches, or it is not ``wanted``.
    """
    if not wanted or output.quiet or output.json or not output.messages_on_terminal:
        yield None
        return
    from rich.progress import Progress

    # Standard output stays what it is: ids may go to a file while the bar is on the terminal.
    with Progress(
        *_columns(counted=counted), console=output.messages, transient=True, redirect_stdout=False
    ) as shown:
        yield _Bars(shown)


class _Bars:
    """The bars of the stages so far."""

    def __init__(self, shown: Progress) -> None:
        self._shown = shown
        self._bars: dict[str, TaskID] = {}

    def __call__(self, stage: str, done: int, total: int | None) -> None:
        """Show how far a stage is."""
        if stage not in self._bars:
            for bar in self._bars.values():
                self._shown.update(bar, completed=self._shown.tasks[bar].total)
            self._bars[stage] = self._shown.add_task(stage, total=total)
        self._shown.update(self._bars[stage], completed=done, total=total)


def _columns(*, counted: bool) -> list[ProgressColumn]:
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        TaskProgressColumn,
        TextColumn,
        TimeRemainingColumn,
    )

    share = MofNCompleteColumn() if counted else TaskProgressColumn()
    return [TextColumn("{task.description}"), BarColumn(), share, TimeRemainingColumn()]
