"""The global options, which work before and after the subcommand: taken out of the arguments first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from queuectl.errors import InvalidInputError

SWITCHES = {
    "--json": "json",
    "--quiet": "quiet",
    "-q": "quiet",
    "--no-color": "no_color",
    "--debug": "debug",
    "--version": "version",
}
VALUES = {"--home": "home", "--config": "config"}

HELP = (
    ("--home DIR", "The folder of database, logs and articles (QUEUECTL_HOME)."),
    ("--config FILE", "The configuration file (QUEUECTL_CONFIG)."),
    ("--json", "Write one JSON document; errors too, to standard error."),
    ("-q, --quiet", "Write no messages, and bare ids where a table has any."),
    ("--no-color", "Write without colours (NO_COLOR)."),
    ("--debug", "Show the traceback of an error."),
    ("--version", "Show the version."),
    ("--install-completion", "Let the shell complete commands, options and names."),
    ("-h, --help", "Show this help."),
)


@dataclass(slots=True)
class GlobalOptions:
    """What the global options say."""

    home: Path | None = None
    config: Path | None = None
    json: bool = False
    quiet: bool = False
    no_color: bool = False
    debug: bool = False
    version: bool = False


def take_global_options(arguments: Sequence[str]) -> tuple[GlobalOptions, list[str]]:
    """Return the global options and the arguments without them; what follows ``--`` is left alone.

    Raises:
        InvalidInputError: one that needs a value has none.
    """
    options, rest = GlobalOptions(), []
    pending = iter(arguments)
    for argument in pending:
        name, given, value = argument.partition("=")
        if argument == "--":
            rest.append(argument)
            rest.extend(pending)
        elif argument in SWITCHES:
            setattr(options, SWITCHES[argument], True)
        elif name in VALUES:
            text = value if given else next(pending, "")
            if not text or "\0" in text:
                raise InvalidInputError(f"{name} needs a value", hint=f"write {name} and a path after it")
            setattr(options, VALUES[name], Path(text))
        else:
            rest.append(argument)
    return options, rest
