"""Handlers for pictures and tests of the web page: some quick, some that take their time, some that fail."""

from __future__ import annotations

import threading

from queuectl import PermanentError
from queuectl.handlers.contract import Context, HandlerTask


def quick(task: HandlerTask, context: Context) -> dict[str, int]:
    """Take a moment, and say something about it."""
    context.log.info("fetched %s", task.url)
    threading.Event().wait(0.05 + _number(task) % 7 * 0.02)
    return {"words": 700 + _number(task)}


def progress(task: HandlerTask, context: Context) -> str:
    """Take minutes, and tell how far it is."""
    for step in range(1, 1_000):
        if context.cancelled:
            return "stopped"
        context.progress(min(0.95, step / 400 + _number(task) % 5 * 0.15), "extracting images")
        threading.Event().wait(0.2)
    return "done"


def fail(task: HandlerTask, context: Context) -> None:
    """Fail in a way that may pass."""
    context.log.warning("the server took too long to answer")
    raise TimeoutError(f"no answer from {task.url} within 30 s")


def refuse(task: HandlerTask, context: Context) -> None:
    """Fail for good."""
    del context
    raise PermanentError(f"{task.url} answered HTTP 404")


def _number(task: HandlerTask) -> int:
    return int(task.id.removeprefix("task_"))
