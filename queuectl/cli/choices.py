"""The names that a shell can complete after an option or for an argument.

What is read from the database is asked for with the settings of the line that is being typed; if it
cannot be read, there is nothing to propose.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from queuectl.cli.invocation import Invocation
from queuectl.domain.lifecycle import State
from queuectl.domain.priority import LEVELS

if TYPE_CHECKING:
    from queuectl.settings import Settings

_ARTICLE = "article"


def priorities() -> list[str]:
    """Return the names of the priorities, which are the short names of the queues too."""
    return [level.name for level in LEVELS]


def states() -> list[str]:
    """Return the states of a task."""
    return [state.value for state in State]


def schedules(ctx: typer.Context) -> list[str]:
    """Return the names of the schedules of this installation."""
    from queuectl.operations.known_names import schedule_names

    return _read(ctx, schedule_names)


def batches(ctx: typer.Context) -> list[str]:
    """Return the ids of the newest batches."""
    from queuectl.operations.known_names import batch_names

    return _read(ctx, batch_names)


def handlers(ctx: typer.Context) -> list[str]:
    """Return the names of the handlers that are configured, and of the one that is built in."""
    run: Invocation = ctx.obj
    return sorted({_ARTICLE, *run.settings.handlers})


def ids(ctx: typer.Context) -> list[str]:
    """Return the ids of the newest tasks, or the numbers of dead letters where a command is about those."""
    from queuectl.operations.known_names import dead_letter_numbers, task_names

    about_letters = ctx.command_path.split()[1:2] == ["dead"]
    return _read(ctx, dead_letter_numbers if about_letters else task_names)


def _read(ctx: typer.Context, names: Callable[[Settings], list[str]]) -> list[str]:
    from queuectl.cli.completion import give_up_in_time

    run: Invocation = ctx.obj
    settings = run.settings
    give_up_in_time()
    return names(settings)


TaskId = Annotated[
    str, typer.Argument(metavar="ID", help="A task, such as task_12 or 12.", autocompletion=ids)
]
