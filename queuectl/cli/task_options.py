"""The options of every command that says what tasks are to be: their priority, their handler and its metadata."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from queuectl.cli.choices import handlers, priorities
from queuectl.errors import InvalidInputError

Priority = Annotated[
    str | None,
    typer.Option(
        "--priority",
        "-p",
        metavar="NAME",
        help="urgent, high, medium (default), low, background.",
        autocompletion=priorities,
    ),
]
Score = Annotated[
    int | None, typer.Option("--score", metavar="N", help="A priority of your own; higher starts first.")
]
Handler = Annotated[
    str | None,
    typer.Option(
        "--handler",
        metavar="NAME",
        help="A configured handler; article if not given.",
        autocompletion=handlers,
    ),
]
Meta = Annotated[
    list[str] | None,
    typer.Option("--meta", metavar="KEY=VALUE", help="Metadata for the handler; may be repeated."),
]


def metadata(pairs: list[str]) -> dict[str, Any] | None:
    """Return the metadata in ``KEY=VALUE`` pairs.

    Raises:
        InvalidInputError: one of them is no such pair.
    """
    found = {}
    for pair in pairs:
        key, given, value = pair.partition("=")
        if not given or not key.strip():
            raise InvalidInputError(f"the metadata {pair!r} is not KEY=VALUE", hint="write --meta author=Ann")
        found[key.strip()] = value
    return found or None
