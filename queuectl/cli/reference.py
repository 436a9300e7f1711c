"""The reference of all commands, ``docs/cli.md``: made from what ``--help`` is made from.

``python -m queuectl.cli.reference`` writes it to standard output.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

from queuectl.cli.app import SECTIONS, app
from queuectl.cli.help import Entry, built
from queuectl.cli.options import HELP
from queuectl.errors import ExitCode

_EXAMPLES = "\b\nExamples:\n"
_PROGRAM = "queuectl"

_HEAD = """\
# The commands

What `queuectl COMMAND --help` says, for all commands. `make docs` writes this file; edit the commands instead.

Data goes to standard output, messages and prompts go to standard error. `--json` gives one document with
`"version": 1`, to which fields are only ever added; an error is a document on standard error, with its `kind`,
`message`, `hint` and `exit_code`. Ids are `task_12` and `batch_3`, or the bare number. Times may have a zone; without
one they are in the configured one. All commands but those of `daemon` that say so work without a running daemon.
"""

_EXIT_WORDS = """\
Standard error that cannot be written, on a full disk or into a pipe that nobody reads, changes no exit code. Standard
output that cannot be written ends a command with 6 if it has submitted or changed something, which stays so and is
named on standard error, else with 8. 8 is also whatever else the system refuses: room, a descriptor, a file.
"""


class Command(NamedTuple):
    """One command that can be typed: its words after ``queuectl``, and what Typer has made of its function."""

    name: str
    made: Any
    context: Any


def every_command() -> Iterator[Command]:
    """Yield all commands in the order of the help, those of a group after each other."""
    for _, entries in SECTIONS:
        for entry in entries:
            yield from commands_of(entry)


def commands_of(entry: Entry) -> Iterator[Command]:
    """Yield the commands that an entry of the main table stands for: itself, or those of its group."""
    main = built(app)
    top = main.context_class(main, info_name=_PROGRAM)
    made = main.get_command(top, entry.name)
    context = made.context_class(made, info_name=entry.name, parent=top)
    subcommands = getattr(made, "commands", None)
    if subcommands is None:
        yield Command(entry.name, made, context)
        return
    for name, each in subcommands.items():
        yield Command(f"{entry.name} {name}", each, each.context_class(each, info_name=name, parent=context))


def reference() -> str:
    """Return the whole reference as Markdown."""
    parts = [_HEAD, _contents()]
    for title, entries in SECTIONS:
        parts.append(f"## {title}\n")
        for entry in entries:
            parts += [_described(command) for command in commands_of(entry)]
    parts += [_options(), _exit_codes()]
    return "\n".join(parts)


def _contents() -> str:
    lines = ["| command | what it does |", "|---|---|"]
    for _, entries in SECTIONS:
        for entry in entries:
            for command in commands_of(entry):
                anchor = f"{_PROGRAM}-{command.name}".replace(" ", "-")
                lines.append(f"| [`{command.name}`](#{anchor}) | {_cell(_sentence(command))} |")
    return "\n".join(lines) + "\n"


def _sentence(command: Command) -> str:
    return " ".join(str(command.made.help).split("\n\n")[0].split())


def _described(command: Command) -> str:
    text, _, examples = str(command.made.help).partition(_EXAMPLES)
    usage = str(command.made.get_usage(command.context)).removeprefix("Usage: ")
    lines = [f"### {_PROGRAM} {command.name}", "", text.strip(), "", "```console"]
    lines += [f"$ {line.strip()}" for line in examples.splitlines()]
    lines += ["```", "", f"    {' '.join(usage.split())}", ""]
    records = [
        record
        for each in command.made.get_params(command.context)
        if (record := each.get_help_record(command.context)) and each.name != "help"
    ]
    if records:
        lines += ["| argument, option | meaning |", "|---|---|"]
        lines += [f"| `{_cell(names)}` | {_cell(meaning)} |" for names, meaning in records]
        lines.append("")
    return "\n".join(lines)


def _options() -> str:
    rows = [f"| `{names}` | {_cell(meaning)} |" for names, meaning in HELP]
    head = [
        "## Options of all commands",
        "",
        "Before or after the command.",
        "",
        "| option | meaning |",
        "|---|---|",
    ]
    return "\n".join([*head, *rows, ""])


def _exit_codes() -> str:
    rows = [f"| {code.value} | {code.name.lower().replace('_', ' ')} |" for code in ExitCode]
    return "\n".join(["## Exit codes", "", "| code | meaning |", "|---|---|", *rows, "", _EXIT_WORDS])


def _cell(text: str) -> str:
    """Return a text for a cell of a table, in which a bar would begin the next one."""
    return re.sub(r"\s+", " ", text).replace("|", r"\|")


if __name__ == "__main__":
    sys.stdout.write(reference())
