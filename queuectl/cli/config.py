"""``queuectl config``: what holds, where it came from, and whether it is in order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import typer

from queuectl.cli.help import command, group
from queuectl.cli.invocation import Invocation

app = group("Show and check the settings.")


@command(app)
def show(ctx: typer.Context) -> None:
    """Show every setting and where its value came from; passwords are hidden.

    Examples:
      queuectl config show
      queuectl config show --json
    """
    from queuectl.cli.render.grid import Column, Grid, Styled
    from queuectl.cli.render.style import FAINT
    from queuectl.settings import shown

    run: Invocation = ctx.obj
    loaded = run.loaded
    values = shown(loaded.settings)

    def grid() -> Grid:
        columns = (Column("SETTING"), Column("VALUE", flexible=True), Column("FROM", flexible=True))
        return Grid(
            columns,
            [
                [name, _text(value), Styled(origin, FAINT if origin == "default" else "")]
                for name, value, origin in _flat(values, loaded.origins)
            ],
        )

    run.output.show(
        lambda: {"settings": values, "origins": loaded.origins, "file": _path(loaded.file)},
        grid,
        list(values),
    )


def _flat(values: Mapping[str, Any], origins: Mapping[str, str]) -> list[tuple[str, Any, str]]:
    """Return the settings one by one; of the tables only what was given."""
    rows: list[tuple[str, Any, str]] = []
    for name, value in values.items():
        if isinstance(value, dict):
            rows.extend(
                (f"{name}.{key}.{each}", setting, origins[f"{name}.{key}.{each}"])
                for key, table in value.items()
                for each, setting in table.items()
                if f"{name}.{key}.{each}" in origins
            )
        else:
            rows.append((name, value, origins[name]))
    return rows


def _text(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, tuple | list):
        return ", ".join(_text(each) for each in value) or "-"
    if isinstance(value, dict):
        return " ".join(str(each) for each in value.values())
    return f"{value:g}" if isinstance(value, float) else str(value)


def _path(path: object) -> str | None:
    return None if path is None else str(path)


@command(app)
def check(ctx: typer.Context) -> None:
    """Read the settings as every command does; all mistakes are reported together, with exit code 9.

    Examples:
      queuectl config check
      queuectl config check --config /etc/queuectl/queuectl.toml
    """
    run: Invocation = ctx.obj
    loaded = run.loaded
    if run.output.json:
        run.output.document({"ok": True, "file": _path(loaded.file), "warnings": loaded.warnings})
        return
    run.output.say(f"the settings are in order; {_where(loaded.file)}")


def _where(file: object) -> str:
    return f"the configuration file is {file}" if file is not None else "there is no configuration file"


@command(app)
def path(ctx: typer.Context) -> None:
    """Show which configuration file is read, or where one would be looked for.

    Examples:
      queuectl config path
    """
    run: Invocation = ctx.obj
    loaded = run.loaded
    if run.output.json:
        places = [str(place) for place in loaded.looked_at]
        run.output.document({"file": _path(loaded.file), "looked_at": places})
    elif loaded.file is not None:
        run.output.line(str(loaded.file))
    else:
        run.output.say("there is no configuration file; the first of these that exists is read:")
        for place in loaded.looked_at:
            run.output.line(str(place))
