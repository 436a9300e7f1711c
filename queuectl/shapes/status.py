"""Queues, daemons and the whole system at one moment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from queuectl.domain.health import Health
from queuectl.domain.queue_limits import LIMITS, LimitChange
from queuectl.domain.status import NodeStatus, QueueStatus, RealtimeStatus, RunningTask
from queuectl.domain.task import task_name
from queuectl.times import iso

_COUNTS = (
    "waiting",
    "scheduled",
    "queued",
    "dispatched",
    "retrying",
    "running",
    "succeeded",
    "dead",
    "cancelled",
)


def queue_shape(queue: QueueStatus) -> dict[str, Any]:
    """Return a queue; limits are null where there are none, ``block`` where tasks may start."""
    block = queue.block
    shape: dict[str, Any] = {
        "name": queue.name,
        "paused": queue.paused,
        **{key: getattr(queue, key) for key in LIMITS},
        "rate_limit": None if queue.rate_limit is None else str(queue.rate_limit),
        "block": None if block is None else {"reason": block.reason.value, "until": iso(block.until)},
    }
    shape |= {name: getattr(queue, name) for name in _COUNTS}
    shape["oldest_wait_ms"] = queue.oldest_wait_ms
    rate = queue.recent.failure_rate
    shape["last_15_minutes"] = {
        "runs": queue.recent.attempts,
        "failed": queue.recent.failed,
        "failure_rate": None if rate is None else round(rate, 4),
        "drained_in_ms": queue.drained_in_ms,
    }
    return shape


def changes_shape(queue: str, changes: Sequence[LimitChange], undo: str) -> dict[str, Any]:
    """Return which limits of a queue have changed, as people write them, and the command that sets them back."""
    changed = {each.key: {"before": each.before, "after": each.after} for each in changes}
    return {"queue": queue, "changed": changed, "undo": undo if changes else None}


def status_shape(
    status: RealtimeStatus,
    running: Sequence[RunningTask],
    alerts: Sequence[tuple[str, str]],
    health: Health | None = None,
) -> dict[str, Any]:
    """Return the whole system at one moment, with its health in short where it is known."""
    nodes = [node for node in status.nodes if node.alive]
    return {
        "at": iso(status.at),
        "queues": [queue_shape(queue) for queue in status.queues],
        "totals": {name: sum(getattr(queue, name) for queue in status.queues) for name in _COUNTS},
        "daemon": {
            "running": bool(nodes),
            "per_minute": sum(node.per_minute for node in nodes),
            "nodes": [node_shape(node) for node in nodes],
        },
        "running": [_running(task) for task in running],
        "pace": _pace(status),
        "database": status.database,
        "transport": status.transport,
        "health": None if health is None else {"score": health.score, "level": health.level.value},
        "alerts": [{"message": message, "hint": hint} for message, hint in alerts],
    }


def _pace(status: RealtimeStatus) -> dict[str, Any]:
    pace = status.pace
    drained = pace.drained_in_ms(status.startable)
    return {
        "per_minute": round(pace.per_minute, 1),
        "per_minute_of_15": None if pace.per_minute_of_15 is None else round(pace.per_minute_of_15, 1),
        "failed_share": round(pace.failed_share, 4),
        "runs_looked_at": pace.runs,
        "drained_in_ms": drained,
    }


def node_shape(node: NodeStatus) -> dict[str, Any]:
    """Return a daemon."""
    return asdict(node) | {"started_at": iso(node.started_at), "heartbeat_at": iso(node.heartbeat_at)}


def _running(running: RunningTask) -> dict[str, Any]:
    return {
        "id": task_name(running.task.id),
        "url": running.task.url,
        "queue": running.task.queue,
        "priority_score": running.task.priority_score,
        "attempt": running.task.attempt,
        "elapsed_ms": running.elapsed_ms,
        "fraction": running.fraction,
        "note": running.note,
    }
