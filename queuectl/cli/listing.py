"""``queuectl list`` and ``count``: which tasks there are, and how many."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from typing import Annotated

import typer

from queuectl.cli.invocation import Invocation
from queuectl.cli.selectors import LARGEST_LIMIT, selects_tasks
from queuectl.clock import monotonic
from queuectl.domain.selection import DEFAULT_LIMIT, Cursor, Selection, Sort, cursor_in
from queuectl.domain.task import batch_name, task_name
from queuectl.operations.selectors import Selectors

_LONG_SECONDS = 0.5
"""From here on a person wants to know what took so long."""
_MANY_ROWS = 10_000  # with fewer it is the machine that is slow


class By(StrEnum):
    """What tasks can be counted by."""

    STATE = "state"
    QUEUE = "queue"
    HOST = "host"
    BATCH = "batch"
    HANDLER = "handler"


@selects_tasks(limit=f"At most this many; {DEFAULT_LIMIT} if not given, and with --ndjson all.")
def list_tasks(
    ctx: typer.Context,
    selectors: Selectors,
    *,
    sort: Annotated[
        Sort,
        typer.Option(
            help="created: newest first; due: waiting ones, soonest first; finished: ended ones, latest first;"
            " score: in the order of their start; state: by the course of life."
        ),
    ] = Sort.CREATED,
    after: Annotated[
        str | None, typer.Option(metavar="PLACE", help="Go on behind the place that the page before named.")
    ] = None,
    fields: Annotated[
        str | None, typer.Option(metavar="A,B,C", help="These columns, such as id,state,error,url.")
    ] = None,
    ndjson: Annotated[
        bool, typer.Option("--ndjson", help="Write one JSON document for each task, however many.")
    ] = False,
) -> None:
    """List tasks, the newest first.

    Without --sort the order is that of the submission. --state, --batch, ids and the orders "created" and
    "finished" are found by an index; other filters are looked for in the tasks that these leave.

    Examples:
      queuectl list --state dead --since 2h
      queuectl list --queue urgent --host example.com --fields id,url,error
      queuectl list --batch batch_3 --json
      queuectl list --sort finished --limit 20
    """
    from queuectl.cli.render.task_list import chosen_fields

    run: Invocation = ctx.obj
    selection = selectors.selection(run.settings.timezone)
    place = cursor_in(after, sort) if after is not None else None
    names = chosen_fields(fields, as_json=run.output.json or ndjson)
    if ndjson:
        _stream(run, selection, sort, place, names)
    else:
        _page(run, selection, sort, place, names)


def _page(
    run: Invocation, selection: Selection, sort: Sort, place: Cursor | None, names: list[str] | None
) -> None:
    from queuectl.cli.render.task_list import shape_of, task_grid
    from queuectl.clock import now_ms

    output = run.output
    begun = monotonic()
    page = run.manager.page_of_tasks(selection, sort, place)
    _tell_of_long_reading(run, selection, sort, monotonic() - begun)
    if not page.tasks:
        output.say("no task matches")
    if page.tasks or output.json:
        following = str(page.following) if page.following else None
        width = output.console.width if output.on_terminal and not (output.json or output.quiet) else None
        output.show(
            lambda: {"tasks": [shape_of(task, names) for task in page.tasks], "next": following},
            lambda: task_grid(page.tasks, now_ms(), run.settings.timezone, names, width),
            [task_name(task.id) for task in page.tasks],
        )
    if page.following:
        output.say(f"there may be more; go on with: --after {page.following}")


def _stream(
    run: Invocation, selection: Selection, sort: Sort, place: Cursor | None, names: list[str] | None
) -> None:
    from queuectl.cli.render.task_list import shape_of

    for task in run.manager.iterate_tasks(selection, sort, place):
        run.output.record(shape_of(task, names))


def _tell_of_long_reading(run: Invocation, selection: Selection, sort: Sort, seconds: float) -> None:
    """Say so when a list took long because no index serves it, and what would help."""
    if seconds < _LONG_SECONDS or not run.output.messages_on_terminal:
        return
    rows = run.manager.rows_to_read(selection, sort)
    if rows >= _MANY_ROWS:
        run.output.say(
            f"it took {seconds:.1f} s to look through up to {rows:,} tasks, because no index serves this;"
            " --state or --batch narrows it down"
        )


@selects_tasks(limit="At most this many tasks; with --by, at most this many values.")
def count(
    ctx: typer.Context,
    selectors: Selectors,
    *,
    by: Annotated[
        By | None, typer.Option(help="Count for each state, queue, host, batch or handler.")
    ] = None,
) -> None:
    """Count tasks.

    By state and queue that takes no time; other filters have to read the tasks.

    Examples:
      queuectl count --state queued,retrying
      queuectl count --state dead --since 2h --by host
      queuectl count --by queue --json
    """
    run: Invocation = ctx.obj
    selection = selectors.selection(run.settings.timezone)
    if by is None:
        _count_all(run, selection)
    else:
        _count_by(run, selection, by)


def _count_all(run: Invocation, selection: Selection) -> None:
    number = run.manager.count_tasks(selection)
    if run.output.json:
        run.output.document({"count": number})
    else:
        run.output.line(str(number))


def _count_by(run: Invocation, selection: Selection, by: By) -> None:
    from queuectl.cli.render.task_list import count_grid
    from queuectl.cli.render.words import wider

    limit = selection.limit or 1_000
    found = run.manager.count_tasks_by(by.value, replace(selection, limit=limit))
    values = [
        (batch_name(value) if by is By.BATCH and isinstance(value, int) else str(value or "-"), number)
        for value, number in found
    ]
    run.output.show(
        lambda: {"by": by.value, "counts": [{by.value: value, "count": number} for value, number in values]},
        lambda: count_grid(by.value, values),
        [f"{value} {number}" for value, number in values],
    )
    if len(found) == limit:
        run.output.say(f"these are the {limit:,} most frequent{wider(limit, LARGEST_LIMIT)}")
