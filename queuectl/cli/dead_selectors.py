"""Which dead letters a command is about: the selectors of tasks, and those that only dead letters have."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

from queuectl.cli.selectors import selects_tasks

Cause = Annotated[
    str | None,
    typer.Option(
        metavar="WORD", help="Only this cause: exhausted, refused, crashed, timed_out, over_memory."
    ),
]
Failure = Annotated[
    str | None,
    typer.Option(metavar="KEY", help="Only this kind of failure, as dead list --group names it."),
]

selects_letters = partial(
    selects_tasks,
    ids="Dead letters, by their numbers.",
    since="Died at or after this time; 2h means 2 hours ago.",
    until="Died before this time.",
    older_than="Died longer ago than this, such as 7d.",
    everything="Every dead letter: only where no other selector is given.",
)
"""Gives a command the selectors as ``selects_tasks`` does, in words that fit dead letters."""
