"""``queuectl web``: the password of the web page."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from queuectl.cli.help import command, group
from queuectl.cli.invocation import Invocation
from queuectl.errors import InvalidInputError

app = group("Set the password of the web page.")

_LEAST = 8
User = Annotated[str, typer.Option(metavar="NAME", help="Who logs in with it.")]
FromInput = Annotated[
    bool,
    typer.Option("--stdin", help="Read the password from standard input instead of making a random one."),
]


@command(app)
def password(ctx: typer.Context, user: User = "queuectl", stdin: FromInput = False) -> None:
    """Set another password for the web page and show it; only its hash is kept, in the home.

    A running daemon asks for the new one within a second. Where web_auth is set, that holds instead.

    Examples:
      queuectl web password
      queuectl web password --user ann
      pass show queuectl | queuectl web password --user ann --stdin
    """
    from queuectl.operations.web_password import keep_password, password_file

    run: Invocation = ctx.obj
    if run.settings.web_auth is not None:
        raise InvalidInputError(
            f"web_auth is set ({run.loaded.origins['web_auth']}), and it wins over a password in the home",
            hint="remove it there, or give it what `queuectl web hash` prints",
        )
    chosen = _chosen(from_input=stdin)
    keep_password(run.settings, user, chosen)
    if run.output.json:
        run.output.document({"user": user, "password": None if stdin else chosen})
        return
    run.output.line(user if stdin else chosen)
    kept = password_file(run.settings)
    run.output.say(f"user {user} logs in with it; its hash is in {kept}, and it is not shown again")


@command(app, "hash")
def hash_password(ctx: typer.Context, user: User = "queuectl", stdin: FromInput = False) -> None:
    """Print a user and the hash of a password, as web_auth and QUEUECTL_WEB_AUTH take them.

    Without --stdin a random password is made, and said on standard error.

    Examples:
      queuectl web hash --user ann
      pass show queuectl | queuectl web hash --user ann --stdin
    """
    from queuectl.operations.web_password import login_line

    run: Invocation = ctx.obj
    chosen = _chosen(from_input=stdin)
    line = login_line(user, chosen)
    if run.output.json:
        run.output.document({"web_auth": line, "password": None if stdin else chosen})
        return
    run.output.line(line)
    if not stdin:
        run.output.warn(f"the password is {chosen}")


def _chosen(*, from_input: bool) -> str:
    from queuectl.operations.web_password import random_password

    if not from_input:
        return random_password()
    text = sys.stdin.readline().rstrip("\r\n")
    if len(text) < _LEAST:
        raise InvalidInputError(
            f"the password has fewer than {_LEAST} characters", hint="give a longer one on standard input"
        )
    return text
