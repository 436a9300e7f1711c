"""Handlers that are ``async def``: well-behaved ones, and ones that do what none should; see sample_handlers.py.

They note what they do with the witness that the metadata names, whoever runs them.
"""

from __future__ import annotations

import asyncio
import functools
import os
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any, NoReturn

from queuectl.errors import PermanentError
from queuectl.handlers.contract import Context, HandlerTask
from tests.support import sightings


async def nap(task: HandlerTask, context: Context) -> dict[str, Any]:
    """Wait for ``seconds``, or until the file ``until`` exists, and return the thread and process it ran in."""
    _note(task, sightings.START)
    await asyncio.sleep(task.metadata.get("seconds", 0))
    while not _may_go_on(task):
        await asyncio.sleep(0.05)
    _note(task, sightings.END)
    return {"thread": threading.current_thread().name, "pid": os.getpid(), "attempt": task.attempt}


async def talk(task: HandlerTask, context: Context) -> None:
    """Report progress and log."""
    context.progress(0.5, "half way")
    context.log.info("said in the loop")


async def linger(task: HandlerTask, context: Context) -> None:
    """Wait for an hour; when cancelled, take ``tidy`` seconds, note what it was told, and pass it on.

    With ``ask_in_thread`` a thread asks all the time whether it is cancelled, and may be told before the loop.
    """
    _note(task, sightings.START)
    if task.metadata.get("ask_in_thread"):
        threading.Thread(target=_ask_until_cancelled, args=(context,), daemon=True).start()
    try:
        await asyncio.sleep(3600)
    finally:
        await asyncio.sleep(task.metadata.get("tidy", 0))
        _note(task, f"cancelled={context.cancelled}")
        _note(task, sightings.END)


async def swallow(task: HandlerTask, context: Context) -> str:
    """Wait until the file ``until`` exists, whatever anybody asks."""
    _note(task, sightings.START)
    while not _may_go_on(task):
        try:
            await asyncio.sleep(0.01)
        except asyncio.CancelledError:
            _note(task, "swallowed")
    _note(task, sightings.END)
    return "went through"


async def occupy_loop(task: HandlerTask, context: Context) -> str:
    """Block the whole loop for ``seconds``, or until the file ``until`` exists."""
    _note(task, sightings.START)
    time.sleep(task.metadata.get("seconds", 0))
    while not _may_go_on(task):
        time.sleep(0.01)
    _note(task, sightings.END)
    return "blocked"


async def fail(task: HandlerTask, context: Context) -> NoReturn:
    """Raise what ``kind`` says."""
    await asyncio.sleep(0)
    kinds: dict[str, BaseException] = {
        "ValueError": ValueError("it failed"),
        "PermanentError": PermanentError("never"),
        "SystemExit": SystemExit(3),
        "KeyboardInterrupt": KeyboardInterrupt(),
        "CancelledError": asyncio.CancelledError(),
    }
    raise kinds[task.metadata["kind"]]


async def fail_beside(task: HandlerTask, context: Context) -> str:
    """Start a task of its own that wants to end the whole process, and go on."""

    async def leave() -> NoReturn:
        raise SystemExit(3)

    beside = asyncio.create_task(leave())
    await asyncio.wait([beside])
    return "still here"


async def wait_in_thread(task: HandlerTask, context: Context) -> None:
    """Wait for an hour in a thread, which nobody can end."""
    _note(task, sightings.START)
    await asyncio.to_thread(threading.Event().wait, 3600)


def _may_go_on(task: HandlerTask) -> bool:
    return "until" not in task.metadata or os.path.exists(task.metadata["until"])  # noqa: PTH110


def _ask_until_cancelled(context: Context) -> None:
    while not context.cancelled:
        pass


def _decorated(function: Callable[..., Awaitable[object]]) -> Callable[..., object]:
    @functools.wraps(function)
    def call(*arguments: object) -> object:
        return function(*arguments)

    return call


decorated = _decorated(nap)


class _WithCall:
    async def __call__(self, task: HandlerTask, context: Context) -> dict[str, Any]:
        return await nap(task, context)


with_call = _WithCall()


def _note(task: HandlerTask, event: str) -> None:
    path = task.metadata.get("witness")
    if path is not None:
        sightings.note(path, task.id, task.fence, task.attempt, event)
