"""``queuectl db``: set up the database, bring it up to date, check it, copy it into another."""

from __future__ import annotations

from typing import Annotated

import typer

from queuectl.cli.help import command, group
from queuectl.cli.invocation import Invocation
from queuectl.cli.render.progress import copying
from queuectl.errors import ExitCode

app = group("Set up, migrate, check and copy the database.")


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
def check(
    ctx: typer.Context,
    repair: Annotated[
        bool, typer.Option("--repair", help="Set wrong kept counts right; nothing else is changed.")
    ] = False,
) -> int:
    """Check the database's form, its file or server, and that its rows and counts agree.

    Examples:
      queuectl db check
      queuectl db check --repair
    """
    from queuectl.cli.checks import show_checks
    from queuectl.cli.render.words import count
    from queuectl.operations.administration import database_check, repair_counts

    run: Invocation = ctx.obj
    facts: dict[str, object] = {}
    if repair:
        mended = repair_counts(run.settings)
        run.output.say(f"{count(mended, 'kept count')} set right")
        facts["repaired"] = mended
    checks = database_check(run.settings)
    show_checks(run, checks, **facts)
    return ExitCode.DONE if all(check.ok for check in checks) else ExitCode.FAILED


@command(app)
def vacuum(ctx: typer.Context) -> None:
    """Give the unused space of SQLite's file back to the disk; no daemon may run.

    What cleanup removes leaves space that is used again, so this is rarely needed.

    Examples:
      queuectl db vacuum
    """
    from queuectl.cli.render.words import size
    from queuectl.operations.administration import database_vacuum

    run: Invocation = ctx.obj
    before, after = database_vacuum(run.settings)
    if run.output.json:
        run.output.document({"bytes_before": before, "bytes_after": after})
        return
    run.output.result(str(after))
    run.output.say(f"the file has {size(after)} and had {size(before)}")


@command(app)
def copy(
    ctx: typer.Context,
    target: Annotated[
        str,
        typer.Option("--to", metavar="URL", help="The new database, such as postgresql://user@host/name."),
    ],
    source: Annotated[
        str | None,
        typer.Option("--from", metavar="URL", help="The database to copy; the configured one if not given."),
    ] = None,
) -> None:
    """Copy everything into a new database, also from SQLite to PostgreSQL or back.

    Stop the daemon and whatever submits tasks first. All ids stay. The copy is compared with its
    original, table by table, before it is kept, and the original stays as it is. A password is better
    left to PGPASSWORD or a .pgpass file than written into an address, which others can see.

    Examples:
      queuectl db copy --to postgresql://queuectl@localhost/article_queue
      queuectl db copy --from postgresql://queuectl@db/article_queue --to sqlite:///queuectl.db
    """
    from queuectl.cli.render.transfer import copy_grid, copy_shape
    from queuectl.operations.copying import copy_database

    run: Invocation = ctx.obj
    with copying(run.output, counted=True) as on_progress:
        receipt = copy_database(run.settings, source, target, on_progress)
    run.output.show(
        lambda: copy_shape(receipt), lambda: copy_grid(receipt), [table.table for table in receipt.tables]
    )
    run.output.say(f"{receipt.rows:,} rows copied and compared; use them with DATABASE_URL={receipt.target}")
