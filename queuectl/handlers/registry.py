"""Which handler a name stands for: the built-in one, or what the configuration lists."""

from __future__ import annotations

from dataclasses import replace

from queuectl.errors import PermanentError
from queuectl.handlers.contract import Handler
from queuectl.settings import HandlerSettings, Settings

ARTICLE = "article"
"""The built-in handler, and the default of a task."""


def names(settings: Settings) -> tuple[str, ...]:
    """Return the names that tasks may use, in alphabetical order."""
    return tuple(sorted({ARTICLE, *settings.handlers}))


def specification(name: str, settings: Settings) -> HandlerSettings:
    """Return how tasks of this handler run.

    Commands always run below a child process: only there can their whole family be ended.

    Raises:
        PermanentError: No handler has this name.
    """
    found = settings.handlers.get(name)
    if found is None:
        if name != ARTICLE:
            raise PermanentError(
                f"there is no handler {name!r}", hint=f"known handlers: {', '.join(names(settings))}"
            )
        return HandlerSettings()
    return found if found.command is None else replace(found, isolation="process")


def load(name: str, settings: Settings) -> Handler:
    """Return the callable that runs tasks of this handler.

    Raises:
        PermanentError: No handler has this name.
        RetryableError: The handler is known and cannot be imported.
    """
    found = specification(name, settings)
    if found.callable is not None:
        from queuectl.handlers import function

        return function.load(found.callable)
    if found.command is not None:
        from queuectl.handlers import command

        return command.make(found.command, settings)
    from queuectl.handlers import article

    return article.make(settings)
