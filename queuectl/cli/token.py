"""``queuectl token``: the keys by which programs use the HTTP interface."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from queuectl.cli.help import command, group
from queuectl.cli.invocation import Invocation

if TYPE_CHECKING:
    from queuectl.domain.web_access import Token

app = group("Make, list and revoke the tokens of programs that use HTTP.")


@command(app)
def create(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="What uses it, such as publisher.")],
    role: Annotated[
        str,
        typer.Option(
            metavar="ROLE",
            help="read: look; operate: submit and control tasks; admin: limits, schedules, purge, undo too.",
        ),
    ] = "read",
    days: Annotated[
        float | None, typer.Option(metavar="N", min=0, help="Valid for so many days; for ever if not given.")
    ] = None,
) -> None:
    """Make a token and show it; only its hash is kept, so it cannot be shown again.

    Examples:
      queuectl token create publisher --role operate
      queuectl token create dashboard --days 90 -q
    """
    from queuectl.operations.web_tokens import TokenControl

    run: Invocation = ctx.obj
    token, text = TokenControl(run.settings).create_token(name, role, days)
    if run.output.json:
        run.output.document(_shape(token) | {"token": text})
        return
    run.output.line(text)
    run.output.say(
        f"this is the only time that it is shown; send it as: Authorization: Bearer {text.partition('_')[0]}_…"
    )


@command(app, "list")
def list_tokens(ctx: typer.Context) -> None:
    """List the tokens, the newest first, also those that are valid no more.

    Examples:
      queuectl token list
      queuectl token list --json
    """
    from queuectl.cli.render.grid import Column, Grid
    from queuectl.clock import now_ms
    from queuectl.operations.web_tokens import TokenControl
    from queuectl.times import shown

    run: Invocation = ctx.obj
    found = TokenControl(run.settings).list_tokens()
    zone, now = run.settings.timezone, now_ms()
    if not found:
        run.output.say("there are no tokens; make one with: queuectl token create NAME")
    if found or run.output.json:
        columns = (Column("NAME"), Column("ROLE"), Column("ID"), Column("CREATED"), Column("VALID"))
        run.output.show(
            lambda: {"tokens": [_shape(each) for each in found]},
            lambda: Grid(
                columns,
                [
                    [
                        each.name,
                        each.role.word,
                        each.id,
                        shown(each.created_at, zone),
                        _validity(each, now, zone),
                    ]
                    for each in found
                ],
            ),
            [each.name for each in found],
        )


@command(app)
def revoke(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="A token's name or id.")],
) -> None:
    """Let a token open nothing any more; daemons follow within seconds.

    Examples:
      queuectl token revoke publisher
    """
    from queuectl.operations.web_tokens import TokenControl

    run: Invocation = ctx.obj
    token = TokenControl(run.settings).revoke_token(name)
    if run.output.json:
        run.output.document(_shape(token))
        return
    run.output.line(token.name)
    run.output.say(f"the token {token.name} is revoked; what has used it is refused within seconds")


def _shape(token: Token) -> dict[str, Any]:
    from queuectl.times import iso

    return {
        "id": token.id,
        "name": token.name,
        "role": token.role.word,
        "created_at": iso(token.created_at),
        "expires_at": iso(token.expires_at),
        "revoked_at": iso(token.revoked_at),
    }


def _validity(token: Token, now: int, zone: str) -> str:
    from queuectl.times import shown

    if token.revoked_at is not None:
        return f"revoked {shown(token.revoked_at, zone)}"
    if token.expires_at is None:
        return "yes"
    return f"{'until' if token.is_valid(now) else 'expired'} {shown(token.expires_at, zone)}"
