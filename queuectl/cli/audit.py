"""``queuectl audit``: who did what, when and from where, and whether the record of it is whole."""

from __future__ import annotations

from typing import Annotated

import typer

from queuectl.cli.help import command, group
from queuectl.cli.invocation import Invocation
from queuectl.errors import ExitCode

app = group("See who did what, and check that nobody has changed the record of it.")

_LONGEST_LIST = 10_000


@command(app, "list")
def list_operations(
    ctx: typer.Context,
    since: Annotated[
        str | None, typer.Option(metavar="TIME", help="At or after this time; 2h means 2 hours ago.")
    ] = None,
    until: Annotated[str | None, typer.Option(metavar="TIME", help="Before this time.")] = None,
    who: Annotated[str | None, typer.Option(metavar="NAME", help="Only what this user did.")] = None,
    verb: Annotated[
        str | None, typer.Option(metavar="VERB", help='Only this verb, such as cancel or "queue set".')
    ] = None,
    limit: Annotated[
        int, typer.Option(metavar="N", min=1, max=_LONGEST_LIST, help="At most this many.")
    ] = 50,
) -> None:
    """List what people did, the newest first; a command on many tasks is one operation.

    Every command that controls something is recorded in the transaction that does it. Submissions of single
    tasks are not: the tasks themselves say when they came.

    Examples:
      queuectl audit list --since 1d
      queuectl audit list --verb cancel --who ann --json
    """
    from queuectl.cli.render.audit import operation_grid
    from queuectl.cli.render.words import wider
    from queuectl.operations.selectors import moment_in_past
    from queuectl.shapes.audit import operation_shape
    from queuectl.store.audit import AuditSelection

    run: Invocation = ctx.obj
    wanted = AuditSelection(
        since=moment_in_past(run.settings.timezone, since),
        until=moment_in_past(run.settings.timezone, until),
        who=who,
        verb=verb,
    )
    found = run.audit.operations(wanted, limit)
    if not found:
        run.output.say("the audit has no such operation")
    if found or run.output.json:
        run.output.show(
            lambda: {"operations": [operation_shape(each) for each in found]},
            lambda: operation_grid(found, run.settings.timezone),
            [str(each.first.operation) for each in found],
        )
    if len(found) == limit:
        run.output.say(f"these are the newest {limit:,}{wider(limit, _LONGEST_LIST)}")


@command(app)
def show(
    ctx: typer.Context,
    number: Annotated[int, typer.Argument(metavar="N", help="The number of an operation.")],
) -> None:
    """Show one operation: who did it, on what, and what was before and after.

    Examples:
      queuectl audit show 12
    """
    from queuectl.cli.render.audit import operation_facts
    from queuectl.shapes.audit import line_shape, operation_shape

    run: Invocation = ctx.obj
    summary, lines = run.audit.operation(number)
    run.output.show(
        lambda: operation_shape(summary) | {"groups": [line_shape(each) for each in lines]},
        lambda: operation_facts(summary, lines, run.settings.timezone),
        [str(summary.first.operation)],
    )
    if summary.kept and summary.undone_by is None:
        run.output.say(f"undo it with: queuectl undo {summary.first.operation}")


@command(app)
def verify(
    ctx: typer.Context,
    anchor: Annotated[
        str | None,
        typer.Option(
            metavar="NUMBER:HASH", help="What the daemon's log or another safe place has as the record's end."
        ),
    ] = None,
) -> int:
    """Read the whole record and find every line that was changed, removed, added or exchanged.

    Each line is sealed with a key that is not in the database (audit.key in the home, or audit_key_file).
    Without the key the order and content of the lines are compared, but whoever can write to the database could
    have made them anew. The end is noted apart from the lines, and once an hour in the daemon's log: --anchor
    compares with that. The exit status is 0 if all is well, 1 if not, and 6 if seals could not be checked.

    Examples:
      queuectl audit verify
      queuectl audit verify --anchor 120:9f86d0…
    """
    from queuectl.cli.render.audit import verification_facts
    from queuectl.cli.render.words import count
    from queuectl.shapes.audit import verification_shape

    run: Invocation = ctx.obj
    found = run.audit.verify(anchor)
    run.output.show(lambda: verification_shape(found), lambda: verification_facts(found))
    if not found.verdict.sound:
        run.output.warn(f"the audit was changed: {count(found.verdict.faulty, 'finding')}")
        return ExitCode.FAILED
    if not found.complete:
        run.output.warn(
            "not every seal could be checked: bring the file of that key, or name it with audit_key_file"
        )
        return ExitCode.PARTLY_DONE
    return ExitCode.DONE
