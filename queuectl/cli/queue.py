"""``queuectl queue`` and ``clear-queue``: look at queues, pause, resume and empty them."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from queuectl.cli.choices import priorities
from queuectl.cli.help import command, group
from queuectl.cli.invocation import Invocation
from queuectl.errors import InvalidInputError, RefusedError

app = group("List, show, pause and resume queues.")

Name = Annotated[
    str,
    typer.Argument(
        metavar="NAME",
        help="urgent, high, medium, low or background; full names work too.",
        autocompletion=priorities,
    ),
]


@command(app, "list")
def list_queues(ctx: typer.Context) -> None:
    """List the queues in the order in which they are served.

    Examples:
      queuectl queue list
    """
    from queuectl.cli.render.shapes import queue_shape
    from queuectl.cli.render.tables import queue_grid

    run: Invocation = ctx.obj
    queues = run.monitor.get_realtime_status().queues
    run.output.show(
        lambda: {"queues": [queue_shape(queue) for queue in queues]},
        lambda: queue_grid(queues),
        [queue.name for queue in queues],
    )


@command(app)
def show(ctx: typer.Context, name: Name) -> None:
    """Show one queue with the number of its tasks in each state.

    Examples:
      queuectl queue show high
    """
    from queuectl.cli.render.shapes import queue_shape
    from queuectl.cli.render.tables import queue_facts
    from queuectl.domain.priority import queue_named

    run: Invocation = ctx.obj
    full = queue_named(name)
    queue = next(each for each in run.monitor.get_realtime_status().queues if each.name == full)
    run.output.show(lambda: queue_shape(queue), lambda: queue_facts(queue), [queue.name])


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
    word = "paused" if paused else "open"
    undo = "resume" if paused else "pause"
    already = "" if changed else " already"
    run.output.line(full)
    run.output.say(f"{full} is {word}{already}; undo it with: queuectl queue {undo} {name}")


def clear_queue(
    ctx: typer.Context,
    name: Name,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
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
            _ask(full, count(waiting, "task"))
        cleared = run.manager.clear_queue(full)
        run.output.say(f"{count(cleared, 'task')} cancelled in {full}")
    if run.output.json:
        run.output.document({"queue": full, "waiting": waiting, "cancelled": cleared, "dry_run": dry_run})
    elif not dry_run:
        run.output.line(str(cleared))


def _ask(queue: str, tasks: str) -> None:
    """Ask for the queue's name.

    Raises:
        InvalidInputError: nobody is there to be asked.
        RefusedError: the answer was another.
    """
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise InvalidInputError(
            f"{queue} holds {tasks} and nobody can be asked", hint="add --yes to cancel them"
        )
    sys.stderr.write(f"This cancels {tasks}. Type {queue} to go on: ")
    sys.stderr.flush()
    if sys.stdin.readline().strip() != queue:
        raise RefusedError(
            "nothing was changed: the answer was not the queue's name", hint=f"type {queue}, or add --yes"
        )
