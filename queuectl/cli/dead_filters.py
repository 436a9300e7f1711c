"""The options that choose among dead letters, named like those that choose among tasks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated

import typer

from queuectl.cli.choices import priorities
from queuectl.cli.invocation import Invocation
from queuectl.domain.dead_letter import DeadLetterSelection
from queuectl.errors import InvalidInputError

Queues = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME", help="Only tasks of this queue; may be repeated.", autocompletion=priorities
    ),
]
Batch = Annotated[str | None, typer.Option(metavar="ID", help="Only tasks of this batch.")]
Host = Annotated[str | None, typer.Option(metavar="HOST", help="Only URLs on this host.")]
Url = Annotated[str | None, typer.Option(metavar="TEXT", help="Only URLs with this text in them.")]
Error = Annotated[str | None, typer.Option(metavar="TEXT", help="Only errors with this text in them.")]
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
Since = Annotated[
    str | None, typer.Option(metavar="TIME", help="Died at or after this time; 2h means 2 hours ago.")
]
Until = Annotated[str | None, typer.Option(metavar="TIME", help="Died before this time.")]
OlderThan = Annotated[
    str | None, typer.Option(metavar="DURATION", help="Died longer ago than this, such as 7d.")
]


def selection_of(
    run: Invocation,
    *,
    queue: Sequence[str] | None,
    batch: str | None,
    host: str | None,
    url: str | None,
    error: str | None,
    cause: str | None,
    failure: str | None,
    since: str | None,
    until: str | None,
    older_than: str | None,
) -> DeadLetterSelection:
    """Return the selection that the options mean.

    Raises:
        QueuectlError: an option's value is not acceptable.
    """
    from queuectl.domain.priority import queue_named
    from queuectl.domain.task import batch_number

    if until is not None and older_than is not None:
        raise InvalidInputError("--until and --older-than contradict each other", hint="give one of them")
    return DeadLetterSelection(
        queues=tuple(queue_named(each) for each in queue or []),
        batch=batch_number(batch) if batch is not None else None,
        host=host,
        url=url,
        error=error,
        cause=cause.strip().lower() if cause is not None else None,
        failure=failure.strip().lower() if failure is not None else None,
        since=_moment(run, since),
        until=_moment(run, until) if older_than is None else _age(older_than),
    )


def narrows(selection: DeadLetterSelection) -> bool:
    """Tell whether any filter was given."""
    return replace(selection, ids=(), resurrected=False, limit=None) != DeadLetterSelection()


def _moment(run: Invocation, text: str | None) -> int | None:
    if text is None:
        return None
    from queuectl.times import milliseconds, parse_moment

    return milliseconds(parse_moment(text, run.settings.timezone, towards="past"))


def _age(text: str) -> int:
    from queuectl.clock import now_ms
    from queuectl.times import parse_duration

    return now_ms() - round(parse_duration(text).total_seconds() * 1000)
