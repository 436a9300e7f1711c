"""What sample handlers leave for a test to see, and how they let time pass."""

from __future__ import annotations

import os
import threading

from queuectl.handlers.contract import HandlerTask


def note(task: HandlerTask, event: str) -> None:
    """Append ``task attempt fence pid event`` to the file that the metadata names, in one write."""
    path = task.metadata.get("witness")
    if path is not None:
        line = f"{task.id} {task.attempt} {task.fence} {os.getpid()} {event}\n"
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(descriptor, line.encode())
        finally:
            os.close(descriptor)


def pause(seconds: float) -> None:
    """Block, as a handler does that waits for something."""
    if seconds:
        threading.Event().wait(seconds)
