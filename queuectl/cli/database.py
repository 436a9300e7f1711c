"""``queuectl db``: set up the database, bring it up to date, check it."""

from __future__ import annotations

import typer

from queuectl.cli.help import command, group
from queuectl.cli.invocation import Invocation
from queuectl.errors import ExitCode

app = group("Set up, migrate and check the database.")


@command(app)
def init(ctx: typer.Context) -> None:
    """Set up an empty database; one that is set up is left as it is.

    Every command does this by itself; here it can be done at a time of your own.

    Examples:
      queuectl db init
    """
    from queuectl.operations.administration import database_init

    run: Invocation = ctx.obj
    address = database_init(run.settings)
    if run.output.json:
        run.output.document({"database": address})
    else:
        run.output.line(address)
        run.output.say("the database is ready")


@command(app)
def migrate(ctx: typer.Context) -> None:
    """Bring the database to the form that this version needs.

    Examples:
      queuectl db migrate
    """
    from queuectl.operations.administration import database_migrate

    run: Invocation = ctx.obj
    applied = database_migrate(run.settings)
    if run.output.json:
        run.output.document({"applied": applied})
        return
    for name in applied:
        run.output.line(name)
    if not applied:
        run.output.say("the database is up to date")


@command(app)
def check(ctx: typer.Context) -> int:
    """Check the database's form, its file or server, and that its counts are right.

    Examples:
      queuectl db check
    """
    from queuectl.cli.checks import show_checks
    from queuectl.operations.administration import database_check

    run: Invocation = ctx.obj
    checks = database_check(run.settings)
    show_checks(run, checks)
    return ExitCode.DONE if all(check.ok for check in checks) else ExitCode.FAILED
