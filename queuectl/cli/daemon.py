"""``queuectl daemon``: run, start, stop, restart and look at the daemon of this home."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from queuectl.cli.daemon_reload import reload
from queuectl.cli.daemon_scale import scale
from queuectl.cli.deeds import note_deed
from queuectl.cli.help import command, group
from queuectl.cli.invocation import Invocation
from queuectl.errors import ExitCode
from queuectl.settings.model import Role

if TYPE_CHECKING:
    from queuectl.domain.status import NodeStatus
    from queuectl.operations.local_daemon import LocalDaemon

app = group("Run, start, stop and look at the daemon.")

Workers = Annotated[
    int | None, typer.Option(metavar="N", min=1, max=512, help="How many tasks run at a time.")
]
NoWeb = Annotated[bool, typer.Option("--no-web", help="Serve no web page.")]
ChosenRole = Annotated[
    Role | None,
    typer.Option(
        metavar="ROLE",
        help="Of several daemons: worker runs tasks only, scheduler does everything else, all does both.",
    ),
]


@command(app)
def run(ctx: typer.Context, workers: Workers = None, role: ChosenRole = None, no_web: NoWeb = False) -> None:
    """Run the daemon in the foreground; Ctrl-C stops it in order.

    Examples:
      queuectl daemon run
      queuectl daemon run --workers 16
      queuectl daemon run --role worker
    """
    from queuectl.cli.daemon_process import command_line

    invocation: Invocation = ctx.obj
    words = command_line(invocation.loaded, workers, web=not no_web, role=role)
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(words[0], words)  # noqa: S606  our own interpreter, and no shell


@command(app)
def start(
    ctx: typer.Context, workers: Workers = None, role: ChosenRole = None, no_web: NoWeb = False
) -> None:
    """Start the daemon in the background and return when it is ready.

    Examples:
      queuectl daemon start
      queuectl daemon start --workers 16
    """
    invocation: Invocation = ctx.obj
    from queuectl.operations.local_daemon import local_daemon

    found = local_daemon(invocation.settings.home)
    if found is not None:
        invocation.output.say("the daemon is running already")
        _show(invocation, found)
        return
    _start(invocation, workers, web=not no_web, role=role)


def _start(invocation: Invocation, workers: int | None, *, web: bool, role: str | None) -> None:
    from queuectl.cli.daemon_process import end_of, told_of_web
    from queuectl.cli.daemon_process import start as start_process
    from queuectl.operations.local_daemon import log_file

    log = log_file(invocation.settings.home)
    begin = end_of(log)
    found = start_process(invocation.loaded, workers, web=web, role=role)
    note_deed("the daemon is started", "queuectl daemon status")
    invocation.output.say(f"the daemon is ready; its log is {log}")
    for line in told_of_web(log, begin):
        invocation.output.say(line)
    _show(invocation, found)


@command(app)
def stop(ctx: typer.Context) -> None:
    """Stop the daemon in order: running tasks have the grace period to end, others wait for the next start.

    Examples:
      queuectl daemon stop
    """
    invocation: Invocation = ctx.obj
    _stop(invocation)
    if invocation.output.json:
        invocation.output.document({"running": False})


def _stop(invocation: Invocation) -> None:
    from queuectl.cli.daemon_process import stop as stop_process
    from queuectl.operations.local_daemon import local_daemon

    settings = invocation.settings
    found = local_daemon(settings.home)
    if found is None:
        invocation.output.say("no daemon is running")
        return
    stop_process(settings.home, found, settings.grace_period)
    invocation.output.say(f"the daemon (pid {found.pid}) has ended")


@command(app)
def restart(
    ctx: typer.Context, workers: Workers = None, role: ChosenRole = None, no_web: NoWeb = False
) -> None:
    """Stop the daemon in order, if one is running, and start it with the present settings.

    Examples:
      queuectl daemon restart
    """
    invocation: Invocation = ctx.obj
    _stop(invocation)
    _start(invocation, workers, web=not no_web, role=role)


@command(app)
def status(ctx: typer.Context) -> int:
    """Show whether the daemon of this home is running: exit code 0 if it is, 3 if not.

    Examples:
      queuectl daemon status
      queuectl daemon status -q || queuectl daemon start
    """
    from queuectl.operations.local_daemon import local_daemon

    invocation: Invocation = ctx.obj
    found = local_daemon(invocation.settings.home)
    if found is not None:
        _show(invocation, found)
        return ExitCode.DONE
    if invocation.output.json:
        invocation.output.document({"running": False})
    elif not invocation.output.quiet:
        invocation.output.line("not running")
        invocation.output.say("start it with: queuectl daemon start")
    return ExitCode.DAEMON_NOT_RUNNING


command(app)(scale)
command(app)(reload)


def _show(invocation: Invocation, found: LocalDaemon) -> None:
    from queuectl.cli.render.tables import daemon_facts
    from queuectl.clock import now_ms
    from queuectl.operations.local_daemon import log_file

    settings = invocation.settings
    node = _node(invocation, found)
    log = str(log_file(settings.home))
    invocation.output.show(
        lambda: _document(found, node, log),
        lambda: daemon_facts(found, node, log, settings.timezone, now_ms()),
        [str(found.pid)],
    )


def _node(invocation: Invocation, found: LocalDaemon) -> NodeStatus | None:
    """Return what the daemon last said of itself in the database, if that answers."""
    from queuectl.errors import QueuectlError

    try:
        nodes = invocation.monitor.get_realtime_status().nodes
    except QueuectlError as error:
        invocation.output.warn(error.message)
        return None
    return next((node for node in nodes if node.id == found.node), None)


def _document(found: LocalDaemon, node: NodeStatus | None, log: str) -> dict[str, Any]:
    from queuectl.shapes.status import node_shape
    from queuectl.times import iso

    shape = {"pid": found.pid, "started_at": iso(found.started_at), "log": log}
    return {"running": True, **shape, "node": node_shape(node) if node is not None else {"id": found.node}}
