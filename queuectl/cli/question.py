"""Ask a person before something that concerns many things at once."""

from __future__ import annotations

import sys

from queuectl.errors import InvalidInputError, RefusedError


def ask_to_go_on(consequence: str, question: str) -> None:
    """Ask on standard error, and return if the answer is yes.

    Raises:
        InvalidInputError: nobody is there to be asked.
        RefusedError: the answer was another.
    """
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise InvalidInputError(f"{consequence}, and nobody can be asked", hint="add --yes, or --dry-run")
    sys.stdout.flush()
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        raise RefusedError("nothing was changed: the answer was not yes", hint="answer y, or add --yes")
