"""How an error looks: what happened to which thing, then what to type next."""

from __future__ import annotations

from queuectl.cli.render.output import document, for_person, to_messages
from queuectl.cli.render.safe import safe
from queuectl.errors import ConfigurationError, QueuectlError

_LONGEST = 600
"""No message fills the screen, whatever a database or a file put into it."""


def show_failure(error: QueuectlError, *, as_json: bool) -> None:
    """Write an error to standard error: one line and a hint, or one JSON document."""
    if as_json:
        content: dict[str, object] = {
            "kind": type(error).__name__,
            "message": error.message,
            "hint": error.hint,
            "exit_code": int(error.exit_code),
        }
        if isinstance(error, ConfigurationError):
            content["problems"] = error.problems
        to_messages(document({"error": content}, indent=False) + "\n")
        return
    for line in _lines(error):
        for_person(line)


def _lines(error: QueuectlError) -> list[str]:
    if isinstance(error, ConfigurationError) and len(error.problems) > 1:
        head, _, _ = error.message.partition(": ")
        lines = [f"queuectl: {safe(head)}:"]
        lines.extend(f"  - {safe(problem, _LONGEST)}" for problem in error.problems)
    else:
        lines = [f"queuectl: {safe(error.message, _LONGEST)}"]
    if error.hint:
        lines.append(f"hint: {safe(error.hint, _LONGEST)}")
    return lines
