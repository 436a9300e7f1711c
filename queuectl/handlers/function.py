"""Handlers that are functions of the user's own, named in the configuration and nowhere else."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from functools import reduce
from types import CoroutineType
from typing import TYPE_CHECKING, Any, cast

from queuectl.errors import RetryableError
from queuectl.handlers.contract import Handler

if TYPE_CHECKING:
    import asyncio


def load(path: str) -> Handler:
    """Import the function that ``package.module:function`` names.

    Raises:
        RetryableError: It cannot be imported or called. Another attempt may find a mended installation.
    """
    module_name, _, qualified_name = path.partition(":")
    # What was installed a moment ago is otherwise not seen by a process that has looked before.
    importlib.invalidate_caches()
    try:
        module = importlib.import_module(module_name)
        found = reduce(getattr, qualified_name.split("."), module)
    except BaseException as error:
        reason = f"{type(error).__name__}: {error}"
        raise RetryableError(f"the handler {path!r} cannot be imported: {reason}", hint=_HINT) from error
    if not callable(found):
        raise RetryableError(f"the handler {path!r} is not a function", hint=_HINT)
    return cast(Handler, found)


def is_async(handler: Handler) -> bool:
    """Tell whether a handler is an ``async def``, also below decorators that say what they wrap."""
    call = getattr(handler, "__call__", None)  # noqa: B004  an object whose method is async counts as well
    return any(map(inspect.iscoroutinefunction, (handler, inspect.unwrap(handler), call)))


def completed(value: object, begin: Callable[[asyncio.Task[Any]], object] | None = None) -> object:
    """Return what a handler returned; the coroutine of an ``async def`` runs to its end first, here and now.

    ``begin`` is called in its loop, with the task that runs it, before its first line.
    """
    if not isinstance(value, CoroutineType):
        return value
    import asyncio  # few handlers need it, and the fork server is to stay small

    async def run() -> object:
        task = asyncio.current_task()
        if begin is not None and task is not None:
            begin(task)
        return await value

    return asyncio.run(run())


_HINT = "see the [handlers] tables: queuectl config show"
