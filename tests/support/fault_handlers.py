"""Handlers for the tests of whole daemons: each tells the outside witness when it starts and when it ends.

Each is called as ``function(task, context)`` and reads its options from the task's metadata; ``witness`` is
the file to write to.
"""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path
from typing import Any, NoReturn

from queuectl.domain.article import Article
from queuectl.errors import PermanentError, RetryableError
from queuectl.handlers.contract import Context, HandlerTask
from tests.support import sightings


def work(task: HandlerTask, context: Context) -> Any:
    """Take ``seconds`` and return ``result``; the attempts in ``failing`` raise instead."""
    _note(task, sightings.START)
    _pause(task.metadata.get("seconds", 0))
    if task.attempt in task.metadata.get("failing", ()):
        _note(task, sightings.END)
        raise ValueError(f"attempt {task.attempt} fails")
    _note(task, sightings.END)
    return task.metadata.get("result")


def echo(task: HandlerTask, context: Context) -> dict[str, Any]:
    """Return what the task says."""
    _note(task, sightings.START)
    _note(task, sightings.END)
    return {"url": task.url, "metadata": task.metadata, "pid": os.getpid(), "queue": task.queue}


def refuse(task: HandlerTask, context: Context) -> NoReturn:
    """Say that the task can never succeed."""
    _note(task, sightings.START)
    _note(task, sightings.END)
    raise PermanentError("there is no such page")


def ask_for_later(task: HandlerTask, context: Context) -> str:
    """Ask at the first attempt for another one after ``retry_after`` seconds."""
    _note(task, sightings.START)
    _note(task, sightings.END)
    if task.attempt == 1:
        raise RetryableError("come back later", retry_after=task.metadata["retry_after"])
    return "came back"


def hold_host(task: HandlerTask, context: Context) -> str:
    """Ask at the first attempt that its host be left alone for ``retry_after`` seconds."""
    _note(task, sightings.START)
    _note(task, sightings.END)
    if task.attempt == 1:
        raise RetryableError("leave us alone", retry_after=task.metadata["retry_after"], hold_host=True)
    return "welcome again"


def until_file(task: HandlerTask, context: Context) -> str:
    """Go on until the file ``until`` exists, whatever anybody asks."""
    _note(task, sightings.START)
    while not Path(task.metadata["until"]).exists():
        _pause(0.005)
    _note(task, sightings.END)
    return "went through"


def fail_after_file(task: HandlerTask, context: Context) -> NoReturn:
    """Go on until the file ``until`` exists, whatever anybody asks, and fail then."""
    until_file(task, context)
    raise ValueError("failed in the end")


def patient(task: HandlerTask, context: Context) -> str:
    """Go on until the task is cancelled or the daemon wants to end; report progress at once."""
    _note(task, sightings.START)
    context.progress(0.5, "half way")
    while not context.cancelled:
        _pause(0.005)
    _note(task, sightings.END)
    return "ended early"


def stubborn(task: HandlerTask, context: Context) -> None:
    """Never end."""
    _note(task, sightings.START)
    threading.Event().wait()


def exit_process(task: HandlerTask, context: Context) -> NoReturn:
    """End the process it runs in without a word; in a thread that is the daemon."""
    _note(task, sightings.START)
    _pause(task.metadata.get("seconds", 0))
    os._exit(task.metadata.get("status", 3))


def kill_itself(task: HandlerTask, context: Context) -> None:
    """Send SIGKILL to the process it runs in."""
    _note(task, sightings.START)
    os.kill(os.getpid(), signal.SIGKILL)
    signal.pause()


def keep_article(task: HandlerTask, context: Context) -> str:
    """Keep an article with the fields in ``article``; fail afterwards if ``fails``."""
    _note(task, sightings.START)
    fields: dict[str, Any] = {
        "url": task.url,
        "final_url": task.url,
        "title": f"Title of {task.id}",
        "author": None,
        "account": None,
        "published_at": None,
        "language": "en",
        "markdown": "text",
        "html": "<p>text</p>",
        "images": (),
        "markdown_path": f"{task.id}.md",
        "html_path": f"{task.id}.html",
    }
    context.keep(Article(**fields | task.metadata.get("article", {})))
    _note(task, sightings.END)
    if task.metadata.get("fails"):
        raise ValueError("failed after it had kept its article")
    return "kept"


def _note(task: HandlerTask, event: str) -> None:
    path = task.metadata.get("witness")
    if path is not None:
        sightings.note(path, task.id, task.fence, task.attempt, event)


def _pause(seconds: float) -> None:
    if seconds:
        threading.Event().wait(seconds)
