"""The names that a shell can complete after an option or for an argument.

What is read from the database is asked for with the settings of the line that is being typed; if it
cannot be read, there is nothing to propose.
"""

from __future__ import annotations

from typing import Annotated

import typer

from queuectl.cli.invocation import Invocation
from queuectl.domain.lifecycle import State
from queuectl.domain.priority import LEVELS

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

    run: Invocation = ctx.obj
    return schedule_names(run.settings)


def batches(ctx: typer.Context) -> list[str]:
    """Return the ids of the newest batches."""
    from queuectl.operations.known_names import batch_names

    run: Invocation = ctx.obj
    return batch_names(run.settings)


def handlers(ctx: typer.Context) -> list[str]:
    """Return the names of the handlers that are configured, and of the one that is built in."""
    run: Invocation = ctx.obj
    return sorted({_ARTICLE, *run.settings.handlers})


def ids(ctx: typer.Context) -> list[str]:
    """Return the ids of the newest tasks, or the numbers of dead letters where a command is about those."""
    from queuectl.operations.known_names import dead_letter_numbers, task_names

    run: Invocation = ctx.obj
    about_letters = ctx.command_path.split()[1:2] == ["dead"]
    return (dead_letter_numbers if about_letters else task_names)(run.settings)


TaskId = Annotated[
    str, typer.Argument(metavar="ID", help="A task, such as task_12 or 12.", autocompletion=ids)
]
