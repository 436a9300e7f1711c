"""Which dead letters a command is about: the selectors of tasks, and those that only dead letters have."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Annotated

import typer

from queuectl.cli.invocation import Invocation
from queuectl.cli.selectors import Selectors, selects_tasks
from queuectl.domain.dead_letter import DeadLetterSelection, dead_letter_number

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


def letter_selection(
    run: Invocation, selectors: Selectors, *, cause: str | None, failure: str | None, resurrected: bool
) -> DeadLetterSelection:
    """Return what the selectors mean for dead letters; ``resurrected`` adds those that were resurrected already.

    Raises:
        InvalidInputError: one of them means nothing, or two can never hold together.
        NotFoundError: one is not a number of a dead letter, or not a batch id.
    """
    chosen = replace(selectors, ids=None).selection(run)
    return DeadLetterSelection(
        ids=tuple(dict.fromkeys(dead_letter_number(each) for each in selectors.ids or ())),
        queues=chosen.queues,
        batch=chosen.batch,
        host=chosen.host,
        url=chosen.url,
        error=chosen.error,
        cause=cause.strip().lower() if cause is not None else None,
        failure=failure.strip().lower() if failure is not None else None,
        since=chosen.since,
        until=chosen.until,
        resurrected=resurrected,
        limit=chosen.limit,
    )


def narrows(selection: DeadLetterSelection) -> bool:
    """Tell whether an id or a filter was given."""
    return replace(selection, resurrected=False, limit=None) != DeadLetterSelection()
