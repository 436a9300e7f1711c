"""``queuectl systemd``: run the daemon as a service of this machine, or of one person."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from queuectl.cli.help import command, group
from queuectl.cli.invocation import Invocation
from queuectl.errors import InvalidInputError

if TYPE_CHECKING:
    from queuectl.operations.systemd.installing import Places, UnitFile

app = group("Run the daemon as a service of systemd.")

System = Annotated[bool, typer.Option("--system", help="For the whole machine, with an account of its own.")]
User = Annotated[bool, typer.Option("--user", help="For yourself, with your home.")]
Root = Annotated[
    Path | None, typer.Option("--root", metavar="DIR", help="With --system: below DIR, to make an image.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only show what would be done.")]


@command(app)
def install(
    ctx: typer.Context, system: System = False, user: User = False, root: Root = None, dry_run: DryRun = False
) -> None:
    """Write the units of the daemon, of workers beside it, of a nightly backup and a weekly cleaning.

    They run this Python. Nothing is started: what to type next is shown. Units of others are never replaced.

    Examples:
      queuectl systemd install --user --dry-run
      sudo queuectl systemd install --system
    """
    from queuectl.operations.systemd import installing

    run: Invocation = ctx.obj
    places = _places(system, user, root)
    loaded = run.loaded
    files = installing.install(
        places,
        home=loaded.settings.home,
        config=_named_config(run),
        own_home=run.options.home is not None,
        dry_run=dry_run,
    )
    if places.is_system:
        for folder in installing.out_of_sight():
            run.output.warn(
                f"queuectl or its Python is installed below {folder}, which the service cannot see; "
                "install it elsewhere, such as in /opt/queuectl"
            )
    _show(run, places, files, "install", dry_run=dry_run)


@command(app)
def uninstall(
    ctx: typer.Context, system: System = False, user: User = False, root: Root = None, dry_run: DryRun = False
) -> None:
    """Remove the units that install has written; the home with its database stays.

    Examples:
      queuectl systemd uninstall --user
      sudo queuectl systemd uninstall --system --dry-run
    """
    from queuectl.operations.systemd import installing

    run: Invocation = ctx.obj
    places = _places(system, user, root)
    _show(run, places, installing.uninstall(places, dry_run=dry_run), "uninstall", dry_run=dry_run)


def _places(system: bool, user: bool, root: Path | None) -> Places:
    from queuectl.operations.systemd.installing import Places

    if system == user:
        raise InvalidInputError(
            "whose service is it?", hint="say --system for the whole machine, or --user for yourself"
        )
    if root is not None and user:
        raise InvalidInputError("--root goes with --system", hint="leave it out with --user")
    return Places(Path("/") if root is None else root.expanduser().absolute(), system)


def _named_config(run: Invocation) -> Path | None:
    """Return the configuration file that somebody named; one in a usual place is found without its name."""
    return run.loaded.file if run.options.config is not None else None


def _show(
    run: Invocation,
    places: Places,
    files: list[UnitFile],
    deed: Literal["install", "uninstall"],
    *,
    dry_run: bool,
) -> None:
    from queuectl.operations.systemd.installing import next_steps

    steps = next_steps(places, deed)
    if run.output.json:
        shown = [
            {"path": str(each.path), "deed": each.deed} | ({"text": each.text} if dry_run else {})
            for each in files
        ]
        run.output.document({"files": shown, "next": steps, "dry_run": dry_run})
        return
    for each in files:
        run.output.line(str(each.path))
        if dry_run and deed == "install" and not run.output.quiet:
            for line in each.text.splitlines():
                run.output.line(f"    {line}".rstrip())
        run.output.say(f"{each.path.name} {'would be ' if dry_run else 'is '}{each.deed}")
    if dry_run:
        run.output.say("nothing was changed")
    elif not files:
        run.output.say("there is nothing to remove")
    elif steps:
        run.output.say("next:")
        for step in steps:
            run.output.say(f"  {step}")
