"""``queuectl queue`` and ``clear-queue``: look at queues, limit, pause, resume and empty them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from queuectl.cli.bulk import Yes, confirm_by_name
from queuectl.cli.choices import priorities
from queuectl.cli.help import command, group
from queuectl.cli.invocation import Invocation
from queuectl.cli.undo import hint
from queuectl.errors import InvalidInputError, PartlyDoneError

app = group("List, show, limit, pause and resume queues.")

Name = Annotated[
    str,
    typer.Argument(
        metavar="NAME",
        help="urgent, high, medium, low or background; full names work too.",
        autocompletion=priorities,
    ),
]


def _keys() -> list[str]:
    from queuectl.domain.queue_limits import LIMITS

    return [f"{key}=" for key in LIMITS]


@command(app, "list")
def list_queues(ctx: typer.Context) -> None:
    """List the queues in the order in which they are served.

    Examples:
      queuectl queue list
    """
    from queuectl.cli.render.tables import queue_grid
    from queuectl.shapes.status import queue_shape

    run: Invocation = ctx.obj
    status = run.monitor.get_realtime_status()
    run.output.show(
        lambda: {"queues": [queue_shape(queue) for queue in status.queues]},
        lambda: queue_grid(status.queues, status.at, run.settings.timezone),
        [queue.name for queue in status.queues],
    )


@command(app)
def show(ctx: typer.Context, name: Name) -> None:
    """Show one queue with the number of its tasks in each state, and its limits.

    Examples:
      queuectl queue show high
    """
    from queuectl.cli.render.tables import queue_facts
    from queuectl.domain.priority import queue_named
    from queuectl.shapes.status import queue_shape

    run: Invocation = ctx.obj
    full = queue_named(name)
    status = run.monitor.get_realtime_status()
    queue = next(each for each in status.queues if each.name == full)
    run.output.show(
        lambda: queue_shape(queue),
        lambda: queue_facts(queue, status.at, run.settings.timezone),
        [queue.name],
    )


@command(app, "set")
def set_limits(
    ctx: typer.Context,
    name: Name,
    limits: Annotated[
        list[str] | None,
        typer.Argument(metavar="KEY=VALUE...", help="Limits to set; none removes one.", autocompletion=_keys),
    ] = None,
) -> None:
    """Set limits of a queue; a running daemon keeps to them at once.

    max_size: tasks that may wait. rate_limit: starts in any period, such as 5/s, 10/m, 150/h or
    1000/d. concurrency: tasks at work, on all machines together. host_gap: seconds between two
    starts on one host. host_concurrency: tasks of one host at work. task_timeout (s), memory_limit
    (MB), max_retries and retry_backoff (s) hold for runs that start from now on.

    Examples:
      queuectl queue set high max_size=200 rate_limit=150/h task_timeout=600
      queuectl queue set low host_gap=1.5 host_concurrency=2
      queuectl queue set high rate_limit=none
    """
    from queuectl.cli.render.tables import change_grid
    from queuectl.cli.render.words import count
    from queuectl.domain.priority import queue_named
    from queuectl.shapes.status import changes_shape

    run: Invocation = ctx.obj
    full = queue_named(name)
    changes = run.manager.update_queue_config(full, _pairs(limits or []))
    undo = f"queuectl queue set {name} {' '.join(f'{each.key}={each.before}' for each in changes)}"
    if changes or run.output.json:
        run.output.show(
            lambda: changes_shape(full, changes, undo),
            lambda: change_grid(changes),
            [each.key for each in changes],
        )
    done = f"{count(len(changes), 'limit')} of {full} changed{hint(run)}"
    run.output.say(done if changes else f"{full} has these limits already")


def _pairs(words: Sequence[str]) -> dict[str, str]:
    """Return the limits that words such as ``max_size=200`` name.

    Raises:
        InvalidInputError: a word has another form, or a limit is named twice.
    """
    pairs: dict[str, str] = {}
    for word in words:
        key, given, value = word.partition("=")
        if not given or key in pairs:
            what = f"{key} is given twice" if given else f"{word!r} has no value"
            raise InvalidInputError(
                f"nothing was changed: {what}",
                hint="write key=value, such as max_size=200; none removes a limit",
            )
        pairs[key] = value
    return pairs


@command(app)
def pause(ctx: typer.Context, name: Name) -> None:
    """Start no more tasks of a queue; those at work go on.

    Examples:
      queuectl queue pause low
    """
    run: Invocation = ctx.obj
    changed = run.manager.pause_queue(name)
    _tell(run, name, changed=changed, paused=True)


@command(app)
def resume(ctx: typer.Context, name: Name) -> None:
    """Start tasks of a paused queue again.

    Examples:
      queuectl queue resume low
    """
    run: Invocation = ctx.obj
    changed = run.manager.resume_queue(name)
    _tell(run, name, changed=changed, paused=False)


def _tell(run: Invocation, name: str, *, changed: bool, paused: bool) -> None:
    from queuectl.domain.priority import queue_named

    full = queue_named(name)
    if run.output.json:
        run.output.document({"queue": full, "paused": paused, "changed": changed})
        return
    run.output.result(full)
    run.output.say(told_of_switch(run, full, changed=changed, paused=paused))


def told_of_switch(run: Invocation, queue: str, *, changed: bool, paused: bool) -> str:
    """Return what pausing or resuming did to a queue, right after it was done."""
    word = "paused" if paused else "open"
    return f"{queue} is {word}{hint(run) if changed else ' already'}"


def clear_queue(
    ctx: typer.Context,
    name: Name,
    yes: Yes = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say how many tasks it would cancel.")
    ] = False,
) -> None:
    """Cancel everything that waits in a queue; tasks at work go on.

    Examples:
      queuectl clear-queue low --dry-run
      queuectl clear-queue medium_priority --yes
    """
    from queuectl.cli.render.words import count
    from queuectl.domain.priority import queue_named

    run: Invocation = ctx.obj
    full = queue_named(name)
    waiting = run.manager.count_waiting(full)
    if dry_run:
        cleared = 0
        run.output.say(f"{count(waiting, 'task')} would be cancelled in {full}; nothing was changed")
    else:
        if waiting and not yes:
            confirm_by_name(run, f"cancel {count(waiting, 'task')} in {full}", full)
        try:
            cleared = run.manager.clear_queue(full)
        except PartlyDoneError as error:
            _tell_cleared(run, full, waiting, error.done)
            error.args = (f"{error.message}{hint(run)}",)
            raise
        run.output.say(f"{count(cleared, 'task')} cancelled in {full}{hint(run) if cleared else ''}")
    _tell_cleared(run, full, waiting, cleared, dry_run=dry_run)


def _tell_cleared(run: Invocation, queue: str, waiting: int, cleared: int, *, dry_run: bool = False) -> None:
    if run.output.json:
        run.output.document({"queue": queue, "waiting": waiting, "cancelled": cleared, "dry_run": dry_run})
    elif not dry_run:
        run.output.result(str(cleared))
