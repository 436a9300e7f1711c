"""Commands that are loaded when they are called, and help texts with examples that keep their lines.

The contexts and formatters that methods here receive are of Typer's own, unpublished classes.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from importlib import import_module
from typing import Any, NamedTuple, TypeAlias

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command as built_by_typer

from queuectl.cli.options import HELP, SWITCHES, VALUES
from queuectl.errors import InvalidInputError, QueuectlError

# Typer publishes only this child of its usage errors' common class.
UsageError: Any = typer.BadParameter.__mro__[1]

_CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
_HEADING = re.compile(r"^(Usage:|[A-Z][^\n]*:)$|^(Usage:)", re.MULTILINE)
_OPTION = re.compile(r"(?<![\w-])(--?[a-z][a-z-]*)")
_EXAMPLE = re.compile(r"^(  +)(queuectl [^#\n]*)", re.MULTILINE)
_NO_TEXT = re.compile("[\ud800-\udfff]")
_EXAMPLES_OF_GROUP = 4
_LONGEST_TEXT = 500
_KINDS = {"a valid int": "a whole number", "a valid float": "a number"}
_BOLD, _CYAN, _GREEN, _RESET = "\x1b[1m", "\x1b[36m", "\x1b[32m", "\x1b[0m"

Callback: TypeAlias = Callable[..., Any]


class Entry(NamedTuple):
    """A subcommand in the main table: where it lives and the one sentence that the main help shows."""

    name: str
    place: str
    sentence: str


class HelpfulCommand(TyperCommand):
    """A command whose help shows the global options too."""

    def get_help(self, ctx: Any) -> str:
        """Return the help text, coloured for a terminal."""
        return _painted(super().get_help(ctx))

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Return the arguments that are left over.

        Raises:
            InvalidInputError: one is no text. The name of a file may be any bytes.
        """
        rest = super().parse_args(ctx, args)
        for parameter in self.params:
            if parameter.metavar != "FILE":
                _check_text(ctx.params.get(parameter.name))
        return rest

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Return the words after the command's name; what is needed stands bare, what is not in brackets."""
        return [piece.strip("{}") for piece in super().collect_usage_pieces(ctx)]

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Add what works everywhere."""
        names = ", ".join([*VALUES, *(name for name in SWITCHES if name != "--version")])
        formatter.write_paragraph()
        formatter.write_text(f"Everywhere: {names}; see queuectl --help.")


class HelpfulGroup(TyperGroup):
    """A group of commands that knows what a mistyped name was meant to be."""

    def get_help(self, ctx: Any) -> str:
        """Return the help text, coloured for a terminal."""
        return _painted(super().get_help(ctx))

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Return the arguments.

        Raises:
            InvalidInputError: there are none, so that no subcommand is named.
        """
        if not args and not self.invoke_without_command and not ctx.resilient_parsing:
            names = ", ".join(self.list_commands(ctx))
            raise InvalidInputError(
                f"{ctx.command_path} does one of: {names}", hint=f"see: {ctx.command_path} --help"
            )
        return super().parse_args(ctx, args)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Add the first example of each of the first subcommands."""
        found = [_EXAMPLE.search(each.help or "") for each in self.commands.values()]
        examples = [match[0] for match in found if match]
        if examples:
            formatter.write_paragraph()
            formatter.write("\n".join(["Examples:", *examples[:_EXAMPLES_OF_GROUP]]) + "\n")

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the named subcommand.

        Raises:
            InvalidInputError: there is none of that name.
        """
        name = args[0]
        if self.get_command(ctx, name) is None and not name.startswith("-") and not ctx.resilient_parsing:
            near = get_close_matches(name, self.list_commands(ctx), n=1)
            proposal = f"did you mean {near[0]}? " if near else ""
            raise InvalidInputError(
                f"there is no command {_shortened(name)!r}", hint=f"{proposal}see: {ctx.command_path} --help"
            )
        return super().resolve_command(ctx, args)


class LazyGroup(HelpfulGroup):
    """The main command: it knows the names of all subcommands and imports only the one that is called."""

    sections: Sequence[tuple[str, Sequence[Entry]]] = ()

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names in the order of the help."""
        return [entry.name for _, entries in self.sections for entry in entries]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Import and return one subcommand, or None."""
        if cmd_name not in self.commands:
            entry = next((each for _, all_ in self.sections for each in all_ if each.name == cmd_name), None)
            if entry is None:
                return None
            module, _, attribute = entry.place.partition(":")
            made = built(getattr(import_module(module), attribute))
            made.name = cmd_name
            self.commands[cmd_name] = made
        return self.commands[cmd_name]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the subcommands by section, then the global options."""
        columns = max(len(name) for name in self.list_commands(ctx))
        for title, entries in self.sections:
            with formatter.section(title):
                formatter.write_dl([(entry.name.ljust(columns), entry.sentence) for entry in entries])
        with formatter.section("Options (before or after the command)"):
            formatter.write_dl(list(HELP))

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Add nothing: the main help has examples of its own."""

    def shell_complete(self, ctx: Any, incomplete: str) -> Any:
        """Return the completions of a subcommand's name without importing any."""
        from typer._click.shell_completion import CompletionItem

        return [
            CompletionItem(entry.name, help=entry.sentence)
            for _, entries in self.sections
            for entry in entries
            if entry.name.startswith(incomplete)
        ]


def group(sentence: str) -> typer.Typer:
    """Return an empty group of subcommands."""
    return typer.Typer(
        cls=HelpfulGroup,
        help=sentence,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings=_CONTEXT,
    )


def command(app: typer.Typer, name: str | None = None) -> Callable[[Callback], Callback]:
    """Return the decorator that adds a function to a group."""
    return app.command(name, cls=HelpfulCommand, context_settings=_CONTEXT)


def built(thing: typer.Typer | Callback) -> Any:
    """Return the command that a function or a group stands for."""
    if not isinstance(thing, typer.Typer):
        app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
        command(app)(thing)
        thing = app
    made = built_by_typer(thing)
    for each in (made, *getattr(made, "commands", {}).values()):
        each.help = _with_kept_lines(each.help or "")
    return made


def usage_failure(error: Any) -> QueuectlError:
    """Return one of Typer's usage errors in our words and form."""
    message = error.format_message().rstrip(".")
    path = error.ctx.command_path if error.ctx is not None else "queuectl"
    near = getattr(error, "possibilities", None)
    if near:
        message = error.message.rstrip(".")
        near = [each for each in near if each.startswith(error.option_name)] or near
    proposal = f"did you mean {near[0]}? " if near else ""
    for theirs, ours in _KINDS.items():
        message = message.replace(theirs, ours)
    message = _shortened(message)
    return InvalidInputError(message[:1].lower() + message[1:], hint=f"{proposal}see: {path} --help")


def _shortened(text: str) -> str:
    """Return what was typed, or a message that quotes it, as one can still read it."""
    return text if len(text) <= _LONGEST_TEXT else f"{text[: _LONGEST_TEXT - 1]}…"


def _check_text(value: object) -> None:
    """Refuse what is not UTF-8, which Python marks by surrogates and no database takes."""
    if isinstance(value, list | tuple):
        for each in value:
            _check_text(each)
    elif isinstance(value, str) and _NO_TEXT.search(value):
        raise InvalidInputError(f"{value[:200]!r} is not UTF-8 text", hint="write it in UTF-8")


def _with_kept_lines(text: str) -> str:
    """Mark the paragraphs with indented lines, which are examples, so that they are not filled."""
    return "\n\n".join(
        f"\b\n{paragraph}" if "\n  " in f"\n{paragraph}" else paragraph for paragraph in text.split("\n\n")
    )


def _painted(text: str) -> str:
    if not sys.stdout.isatty() or os.environ.get("NO_COLOR") or "--no-color" in sys.argv:
        return text
    text = _OPTION.sub(rf"{_CYAN}\1{_RESET}", text)
    text = _EXAMPLE.sub(lambda match: match[1] + _GREEN + _unpainted(match[2]) + _RESET, text)
    return _HEADING.sub(lambda match: f"{_BOLD}{match[0]}{_RESET}", text)


def _unpainted(text: str) -> str:
    return text.replace(_CYAN, "").replace(_RESET, "")
