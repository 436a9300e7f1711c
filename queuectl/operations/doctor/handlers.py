"""Look at the handlers: that functions can be imported, commands are found, and placeholders are known."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from queuectl.errors import QueuectlError
from queuectl.operations.administration import Check
from queuectl.settings import Settings

_BRACES = re.compile(r"\{(\w+)\}")


def handlers(settings: Settings) -> Iterator[Check]:
    """Look at every configured handler."""
    from queuectl.handlers import registry

    for name, handler in settings.handlers.items():
        if handler.command is not None:
            yield _command(name, handler.command)
        elif handler.callable is not None:
            yield _importable(f"handler {name}", handler.callable, partial(registry.load, name, settings))
    yield Check("handler article", ok=True, detail="built in")


def _command(name: str, command: Sequence[str]) -> Check:
    from queuectl.handlers.command import PLACEHOLDERS

    label, setting = f"handler {name}", f"handlers.{name}.command"
    program = shutil.which(command[0])
    if program is None:
        return Check(
            label, ok=False, detail=f"there is no {command[0]}", hint=f"install it, or correct {setting}"
        )
    used = {match[1] for word in command for match in _BRACES.finditer(word)}
    strange = sorted(used.difference(PLACEHOLDERS))
    if strange:
        shown = ", ".join(f"{{{each}}}" for each in strange)
        known = ", ".join(f"{{{each}}}" for each in PLACEHOLDERS)
        detail = f"{program}; {shown} stays as it is"
        return Check(label, ok=True, warning=True, detail=detail, hint=f"{setting} may hold {known}")
    if "url" not in used:
        detail = f"{program}; no argument holds {{url}}"
        hint = f"add {{url}} to {setting}, unless it reads QUEUECTL_URL from its environment"
        return Check(label, ok=True, warning=True, detail=detail, hint=hint)
    return Check(label, ok=True, detail=program)


def _importable(label: str, target: str, load: Callable[[], object]) -> Check:
    try:
        load()
    except QueuectlError as error:  # whatever the user's module raises while it is imported has become one
        hint = f"install the package of {target}, or add its folder to PYTHONPATH"
        return Check(label, ok=False, detail=error.message, hint=hint)
    return Check(label, ok=True, detail=f"{target} can be imported")
