"""The one way in which commands are told which tasks they are about: ids and filters, the same on every verb."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection
from dataclasses import fields
from functools import wraps
from typing import Annotated, Any

import typer

from queuectl.cli.choices import batches, ids, priorities, states
from queuectl.operations.selectors import ALL, Selectors

Option = typer.Option
LARGEST_LIMIT = 1_000_000_000
"""More than anybody stores, and less than an engine cannot count to."""

_PARAMETERS: dict[str, Any] = {
    "ids": Annotated[
        list[str] | None,
        typer.Argument(metavar="[ID]...", help="Tasks, such as task_12 or 12.", autocompletion=ids),
    ],
    "state": Annotated[
        list[str] | None,
        Option(
            metavar="STATE",
            help="Only tasks in this state; several with commas, or repeated.",
            autocompletion=states,
        ),
    ],
    "queue": Annotated[
        list[str] | None,
        Option(
            metavar="NAME",
            help="Only tasks of this queue; several with commas, or repeated.",
            autocompletion=priorities,
        ),
    ],
    "priority": Annotated[
        list[str] | None,
        Option("--priority", "-p", metavar="NAME", help="The same by priority.", autocompletion=priorities),
    ],
    "batch": Annotated[
        str | None, Option(metavar="ID", help="Only tasks of this batch.", autocompletion=batches)
    ],
    "host": Annotated[str | None, Option(metavar="HOST", help="Only URLs on this host.")],
    "url": Annotated[str | None, Option(metavar="TEXT", help="Only URLs with this text in them.")],
    "error": Annotated[str | None, Option(metavar="TEXT", help="Only errors with this text in them.")],
    "since": Annotated[
        str | None,
        Option(metavar="TIME", help="Submitted at or after this time; 2h means 2 hours ago."),
    ],
    "until": Annotated[str | None, Option(metavar="TIME", help="Submitted before this time.")],
    "older_than": Annotated[
        str | None, Option(metavar="DURATION", help="Submitted longer ago than this, such as 7d.")
    ],
    "limit": Annotated[
        int | None, Option(metavar="N", min=1, max=LARGEST_LIMIT, help="At most this many tasks.")
    ],
    "everything": Annotated[bool, Option(ALL, help="Every task: only where no other selector is given.")],
}
_PLACE = "selectors"


def selects_tasks(
    *, without: Collection[str] = ("everything",), **help_of: str
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return the decorator that gives a command all selectors as options, and hands them over as ``selectors``.

    ``without`` names those that the command does not have; a keyword gives a selector another help text.
    """

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        names = [each.name for each in fields(Selectors) if each.name not in without]
        signature = inspect.signature(command, eval_str=True)
        own = [each for each in signature.parameters.values() if each.name != _PLACE]

        @wraps(command)
        def with_selectors(**values: Any) -> Any:
            selectors = Selectors(**{name: values.pop(name) for name in names})
            return command(**values, **{_PLACE: selectors})

        added = [_parameter(name, help_of.get(name)) for name in names]
        parameters = [*own[:1], *added, *own[1:]]  # the context, the selectors, what is the command's own
        with_selectors.__signature__ = inspect.Signature(  # type: ignore[attr-defined]  # how wrappers say it
            [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in parameters]
        )
        with_selectors.__annotations__ = {each.name: each.annotation for each in parameters}
        return with_selectors

    return decorate


def _parameter(name: str, help_text: str | None) -> inspect.Parameter:
    annotation = _PARAMETERS[name]
    if help_text is not None:
        from copy import copy

        kind, info = annotation.__origin__, copy(annotation.__metadata__[0])
        info.help = help_text
        annotation = Annotated[kind, info]
    default = False if name == "everything" else None
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
