"""``queuectl daemon scale``: change how many tasks a running daemon has at a time."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from queuectl.cli.invocation import Invocation
from queuectl.errors import ExitCode, InvalidInputError

if TYPE_CHECKING:
    from queuectl.operations.scaling import Scaled


def scale(
    ctx: typer.Context,
    workers: Annotated[
        int, typer.Argument(metavar="N", min=1, max=512, help="How many tasks run at a time from now on.")
    ],
    node: Annotated[
        str | None, typer.Option("--node", metavar="ID", help="The daemon with this id, wherever it runs.")
    ] = None,
    everywhere: Annotated[
        bool, typer.Option("--all", help="Every daemon that works on this database.")
    ] = False,
) -> int:
    """Change how many tasks the running daemon has at a time, without a restart.

    More begin at once; fewer remain as the present ones end. It holds until the daemon ends.

    Examples:
      queuectl daemon scale 32
      queuectl daemon scale 4 --node 3f8b248a
      queuectl daemon scale 16 --all
    """
    from queuectl.operations import scaling

    run: Invocation = ctx.obj
    if node is not None and everywhere:
        raise InvalidInputError(
            "--node and --all contradict each other", hint="see: queuectl daemon scale --help"
        )
    scaled = scaling.scale(run.settings, workers, node=node, everywhere=everywhere)
    late = [each for each in scaled if not each.done]
    if run.output.json:
        run.output.document({"nodes": [asdict(each) for each in scaled]})
    for each in scaled:
        if not run.output.json:
            run.output.line(each.node)
        run.output.say(_told(each))
    if not late:
        run.output.say(f"to keep it after a restart, set workers = {workers}; see: queuectl config path")
    return ExitCode.PARTLY_DONE if late else ExitCode.DONE


def _told(each: Scaled) -> str:
    where = f"the daemon on {each.host} (pid {each.pid})"
    if not each.done:
        return f"{where} has been told, and has not answered yet; it follows when it does: queuectl daemon status"
    return f"{where} runs {each.workers} tasks at a time now; it was {each.before}"
