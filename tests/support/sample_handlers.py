"""Handlers for tests: well-behaved ones, failing ones, and, by import, every kind of misbehaviour.

Each is called as ``function(task, context)`` and reads its options from the task's metadata.
"""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import Any, NoReturn

from queuectl import errors
from queuectl.handlers.contract import Context, HandlerTask
from tests.support.harmful_handlers import (
    DISTURBANCES,
    UNFIT,
    block,
    disturb,
    exit_badly,
    exit_well,
    forge,
    fork_and_die,
    fork_and_go,
    fork_and_return_twice,
    fork_and_stay,
    hog,
    hog_at_once,
    hog_in_child,
    hop,
    keep_all_files,
    kill_itself,
    leak,
    open_files,
    power,
    print_endlessly,
    print_much,
    return_unfit,
    segfault,
    sleep_in_c,
    spin,
)
from tests.support.witness import note, pause

__all__ = [
    "DISTURBANCES",
    "UNFIT",
    "block",
    "disturb",
    "echo",
    "exit_badly",
    "exit_well",
    "fail",
    "fail_unspeakably",
    "fail_until",
    "fail_with_nasty_text",
    "forge",
    "fork_and_die",
    "fork_and_go",
    "fork_and_return_twice",
    "fork_and_stay",
    "give",
    "hog",
    "hog_at_once",
    "hog_in_child",
    "hop",
    "keep_all_files",
    "kill_itself",
    "leak",
    "log",
    "open_files",
    "patient",
    "power",
    "print_endlessly",
    "print_much",
    "progress",
    "raise_base",
    "refuse",
    "retry_later",
    "return_unfit",
    "segfault",
    "sleep",
    "sleep_in_c",
    "spin",
    "succeed",
    "talk",
    "use_a_library_that_logs",
    "witness",
]


def succeed(task: HandlerTask, context: Context) -> None:
    """Do nothing."""


def echo(task: HandlerTask, context: Context) -> dict[str, Any]:
    """Return everything that the task says, and the process it runs in."""
    return {
        "id": task.id,
        "url": task.url,
        "metadata": task.metadata,
        "attempt": task.attempt,
        "fence": task.fence,
        "queue": task.queue,
        "priority_score": task.priority_score,
        "pid": os.getpid(),
    }


def give(task: HandlerTask, context: Context) -> Any:
    """Return ``result``."""
    return task.metadata.get("result")


def sleep(task: HandlerTask, context: Context) -> str:
    """Block for ``seconds`` without looking at anything, then return."""
    pause(task.metadata.get("seconds", 0.1))
    return "slept"


def patient(task: HandlerTask, context: Context) -> str:
    """Wait up to ``seconds`` and end early when cancelled."""
    note(task, "start")
    for _ in range(int(task.metadata.get("seconds", 60) / 0.01)):
        if context.cancelled:
            return "ended early"
        pause(0.01)
    return "not cancelled"


def fail(task: HandlerTask, context: Context) -> NoReturn:
    """Raise an ordinary exception with ``message``."""
    raise ValueError(task.metadata.get("message", "it failed"))


def fail_until(task: HandlerTask, context: Context) -> str:
    """Fail every attempt before attempt number ``attempt``."""
    if task.attempt < task.metadata["attempt"]:
        raise ValueError(f"attempt {task.attempt} fails")
    return "done"


def refuse(task: HandlerTask, context: Context) -> NoReturn:
    """Say that the task can never succeed."""
    raise errors.PermanentError(task.metadata.get("message", "never"))


def retry_later(task: HandlerTask, context: Context) -> NoReturn:
    """Ask for another attempt after ``retry_after`` seconds."""
    raise errors.RetryableError("not now", retry_after=task.metadata.get("retry_after", 30))


def raise_base(task: HandlerTask, context: Context) -> NoReturn:
    """Raise the exception named ``kind``, which no ``except Exception`` catches."""
    kinds: dict[str, type[BaseException]] = {
        "SystemExit": SystemExit,
        "KeyboardInterrupt": KeyboardInterrupt,
        "GeneratorExit": GeneratorExit,
        "BaseException": BaseException,
    }
    raise kinds[task.metadata["kind"]](0)


class _UnspeakableError(Exception):
    def __str__(self) -> str:
        raise SystemExit("even its text raises")


def fail_unspeakably(task: HandlerTask, context: Context) -> NoReturn:
    """Raise an exception whose text cannot be made."""
    raise _UnspeakableError


def fail_with_nasty_text(task: HandlerTask, context: Context) -> NoReturn:
    """Raise an exception whose text no database and no terminal should get."""
    raise ValueError("nul \0 surrogate \ud800 escape \x1b[2J" + "x" * 1024 * 1024)


def talk(task: HandlerTask, context: Context) -> str:
    """Print ``lines`` numbered lines."""
    for number in range(task.metadata.get("lines", 3)):
        sys.stdout.write(f"line {number} {task.metadata.get('text', '')}\n")
    sys.stderr.write("to stderr\n")
    return "said"


def log(task: HandlerTask, context: Context) -> None:
    """Log ``lines`` times."""
    for number in range(task.metadata.get("lines", 1)):
        context.log.info("line %d %s", number, task.metadata.get("text", ""))


def log_and_wait(task: HandlerTask, context: Context) -> None:
    """Log, wait until the file ``until`` exists, and log again; the first ``failing`` attempts fail then."""
    context.log.info("waiting")
    while not Path(task.metadata["until"]).exists():
        pause(0.01)
    context.log.info("going on")
    if task.attempt <= task.metadata.get("failing", 0):
        raise ValueError(f"attempt {task.attempt} fails")


def use_a_library_that_logs(task: HandlerTask, context: Context) -> None:
    """Log under another name, twice."""
    library = logging.getLogger("some.library")
    library.info("all is well")
    library.warning("it went wrong")


def progress(task: HandlerTask, context: Context) -> None:
    """Report ``steps`` times in a row."""
    steps = task.metadata.get("steps", 4)
    for step in range(steps):
        context.progress((step + 1) / steps, f"step {step + 1}")


def witness(task: HandlerTask, context: Context) -> None:
    """Write down that this run began and, after ``seconds`` or once the file ``until`` exists, ended."""
    note(task, "start")
    pause(task.metadata.get("seconds", 0))
    while "until" in task.metadata and not Path(task.metadata["until"]).exists():
        pause(0.01)
    note(task, "end")
