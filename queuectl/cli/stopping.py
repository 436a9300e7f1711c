"""What to say of a running task that was asked to end: by what means it will, wherever its handler runs."""

from __future__ import annotations

from queuectl.cli.invocation import Invocation
from queuectl.domain.task import Task

_MEANS = {
    "process": "its handler has five seconds to end by itself and is then ended by force",
    "async": "what its handler awaits is cancelled",
    "thread": "its handler runs in a thread and ends by its own will",
}


def asked_to_stop(run: Invocation, task: Task) -> str:
    """Return the end of a sentence about the task; what is unknown is left out."""
    kinds = [node.kinds.get(task.handler) for node in run.monitor.get_realtime_status().nodes if node.alive]
    kind = "process" if task.memory_limit is not None else next(filter(None, kinds), None)
    means = _MEANS.get(kind or "")
    return f"is asked to stop; {means}" if means else "is asked to stop"
