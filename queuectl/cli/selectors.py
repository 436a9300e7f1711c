"""The one way in which commands are told which tasks they are about: ids and filters, the same on every verb."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, fields
from functools import wraps
from typing import Annotated, Any

import typer

from queuectl.cli.choices import batches, ids, priorities, states
from queuectl.cli.invocation import Invocation
from queuectl.domain.lifecycle import State
from queuectl.domain.priority import level_named, queue_named
from queuectl.domain.selection import Selection
from queuectl.domain.task import batch_number, task_number
from queuectl.errors import InvalidInputError

Option = typer.Option
_ALL = "--all"


@dataclass(frozen=True, slots=True)
class Selectors:
    """The words that select tasks, as they were typed. A command gets them through ``selects_tasks``."""

    ids: list[str] | None = None
    state: list[str] | None = None
    queue: list[str] | None = None
    priority: list[str] | None = None
    batch: str | None = None
    host: str | None = None
    url: str | None = None
    error: str | None = None
    since: str | None = None
    until: str | None = None
    older_than: str | None = None
    limit: int | None = None
    everything: bool = False

    def selection(self, run: Invocation) -> Selection:
        """Return what they mean.

        Raises:
            InvalidInputError: one of them means nothing, or two can never hold together.
            NotFoundError: one is not a task id, or not a batch id.
        """
        return Selection(
            ids=tuple(dict.fromkeys(task_number(each) for each in self.ids or ())),
            states=tuple(_state(each) for each in _words(self.state)),
            queues=self._queues(),
            batch=batch_number(self.batch) if self.batch is not None else None,
            host=self.host,
            url=self.url,
            error=self.error,
            since=moment_in_past(run, self.since),
            until=self._until(run),
            limit=self.limit,
        )

    def narrow_selection(self, run: Invocation, verb: str, *, or_all: bool = True) -> Selection:
        """Return what they mean for a verb that must not take everything by accident; ``or_all`` lets ``--all`` say it.

        Raises:
            InvalidInputError: there is neither an id nor a filter, nor ``--all``; or one means nothing.
            NotFoundError: one is not a task id, or not a batch id.
        """
        selection = self.selection(run)
        self.check_narrow(verb, "task", narrow=not selection.matches_everything, or_all=or_all)
        return selection

    def check_narrow(self, verb: str, thing: str, *, narrow: bool, or_all: bool = True) -> None:
        """Check that either an id or a filter was given, by which the selection is ``narrow``, or ``--all``.

        Raises:
            InvalidInputError: neither was, or both.
        """
        if not narrow and not self.everything:
            raise InvalidInputError(
                f"it is not said which {thing}s to {verb}",
                hint=f"give ids or filters such as --queue low{f', or {_ALL} for every {thing}' if or_all else ''}",
            )
        if narrow and self.everything:
            raise InvalidInputError(
                f"{_ALL} and a narrower selection contradict each other", hint=f"leave out {_ALL}"
            )

    def _queues(self) -> tuple[str, ...]:
        queues = list(dict.fromkeys(queue_named(each) for each in _words(self.queue)))
        levels = list(dict.fromkeys(level_named(each).queue for each in _words(self.priority)))
        if not queues or not levels:
            return tuple(queues or levels)
        both = tuple(each for each in queues if each in levels)
        if not both:
            raise InvalidInputError(
                "--queue and --priority exclude each other: each priority has a queue of its own",
                hint="give one of them",
            )
        return both

    def _until(self, run: Invocation) -> int | None:
        until = moment_in_past(run, self.until)
        if self.older_than is None:
            return until
        from queuectl.clock import now_ms
        from queuectl.times import parse_duration

        before = now_ms() - round(parse_duration(self.older_than).total_seconds() * 1000)
        return before if until is None else min(until, before)


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
    "limit": Annotated[int | None, Option(metavar="N", min=1, help="At most this many tasks.")],
    "everything": Annotated[bool, Option(_ALL, help="Every task: only where no other selector is given.")],
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


def _words(texts: Iterable[str] | None) -> list[str]:
    return [word for text in texts or () for word in text.split(",")]


def _state(name: str) -> State:
    try:
        return State(name.strip().lower())
    except ValueError as error:
        known = ", ".join(State)
        raise InvalidInputError(f"there is no state {name!r}", hint=f"the states are {known}") from error


def moment_in_past(run: Invocation, text: str | None) -> int | None:
    """Return the moment that an option names, in UTC milliseconds; a duration counts back from now."""
    if text is None:
        return None
    from queuectl.times import milliseconds, parse_moment

    return milliseconds(parse_moment(text, run.settings.timezone, towards="past"))
