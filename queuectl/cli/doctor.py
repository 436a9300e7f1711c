"""``queuectl doctor``: look at everything that queuectl depends on."""

from __future__ import annotations

import typer

from queuectl.cli.invocation import Invocation

_MEND = "correct it, then see: queuectl config check"


def doctor(ctx: typer.Context) -> int:
    """Check everything that queuectl depends on; each failure comes with the command that mends it.

    Warnings are no failures. What the database holds is looked at by: queuectl db check

    Examples:
      queuectl doctor
      queuectl doctor --json
    """
    from queuectl.cli.checks import show_checks
    from queuectl.operations.administration import Check, exit_code_of
    from queuectl.operations.diagnosis import diagnose

    run: Invocation = ctx.obj
    loaded = run.loaded
    place = str(loaded.file) if loaded.file is not None else "no file; defaults and environment"
    checks = [Check("settings", ok=True, detail=place)]
    checks += [Check("settings", ok=False, detail=warning, hint=_MEND) for warning in loaded.warnings]
    checks += diagnose(loaded.settings)
    show_checks(run, checks)
    return exit_code_of(checks)
