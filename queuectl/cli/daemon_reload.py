"""``queuectl daemon reload``: have the running daemon read its settings again."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from queuectl.cli.invocation import Invocation
from queuectl.errors import ConfigurationError

if TYPE_CHECKING:
    from queuectl.operations.reloading import Reloaded


def reload(ctx: typer.Context) -> None:
    """Have the running daemon read its settings again, without a restart; a mistake leaves the old ones in force.

    It says what holds from now on, and what waits for the next start. SIGHUP does the same.

    Examples:
      queuectl daemon reload
      queuectl daemon reload --json
    """
    from queuectl.operations import reloading

    run: Invocation = ctx.obj
    reloaded = reloading.reload(run.settings)
    if reloaded.problems:
        raise ConfigurationError(
            reloaded.problems, hint="the daemon goes on with its former settings; see: queuectl config check"
        )
    if run.output.json:
        run.output.document({name: each for name, each in asdict(reloaded).items() if name != "problems"})
        return
    run.output.line(reloaded.node)
    for sentence in _told(reloaded):
        run.output.say(sentence)


def _told(reloaded: Reloaded) -> list[str]:
    from queuectl.cli.render.safe import safe

    if not reloaded.changed and not reloaded.restart:
        return ["the settings were read again; nothing has changed"]
    told = [
        safe(f"{name} is {_words(after)} now; it was {_words(before)}")
        for name, (before, after) in reloaded.changed.items()
    ]
    if reloaded.restart:
        told.append(f"for {', '.join(reloaded.restart)} it takes: queuectl daemon restart")
    return told


def _words(value: object) -> str:
    return "unset" if value is None else str(value)
