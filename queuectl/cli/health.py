"""``queuectl health``: one score for people and monitoring systems, and what it is made of."""

from __future__ import annotations

import typer

from queuectl.cli.invocation import Invocation
from queuectl.errors import QueuectlError, UnreachableError

_OK, _WARNING, _CRITICAL, _UNKNOWN = range(4)


def health(ctx: typer.Context) -> int:
    """Give the health as a score, and what takes points away from it.

    100 is the best; each check names what it has measured and the command that mends it. The exit
    code is that of monitoring plugins: 0 ok, 1 warning, 2 critical, 3 unknown. The limits can be set; see
    docs/monitoring.md.

    Examples:
      queuectl health
      queuectl health --json
      queuectl health --quiet || echo "something is wrong"
    """
    from queuectl.cli.render.health import plain_health, rich_health
    from queuectl.clock import now_ms
    from queuectl.domain.health import Level, unreachable
    from queuectl.shapes.health import health_shape

    run: Invocation = ctx.obj
    try:
        found = run.monitor.get_health()
    except UnreachableError as error:
        found = unreachable(now_ms(), error.message, error.hint)
    except QueuectlError as error:
        _say_unknown(run, error)
        return _UNKNOWN
    output = run.output
    if output.json:
        output.document(health_shape(found))
    elif output.quiet:
        output.line(found.level.value)
    elif output.on_terminal:
        output.draw(rich_health(found, run.settings.timezone, output.console.width))
    else:
        for line in plain_health(found):
            output.line(line)
    return {Level.OK: _OK, Level.WARNING: _WARNING, Level.CRITICAL: _CRITICAL}[found.level]


def _say_unknown(run: Invocation, error: QueuectlError) -> None:
    """Say why nothing can be told: the settings or the schema are not in order."""
    from queuectl.cli.render.failures import show_failure

    show_failure(error, as_json=run.output.json)
