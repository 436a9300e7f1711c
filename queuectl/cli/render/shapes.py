"""The shapes of JSON: a contract in which fields are only ever added. Times are ISO 8601 in UTC."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from queuectl.cli.render.words import level_word
from queuectl.domain.batch import BatchReceipt
from queuectl.domain.event import Event
from queuectl.domain.priority import level_of_score
from queuectl.domain.queue_limits import LIMITS, LimitChange
from queuectl.domain.status import NodeStatus, QueueStatus, RealtimeStatus, RunningTask
from queuectl.domain.task import Attempt, Task, batch_name, task_name
from queuectl.domain.task_log import LogLine, LogPart
from queuectl.times import iso

if TYPE_CHECKING:
    from queuectl.store.articles import StoredArticle

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


def task_shape(task: Task, *, with_attempts: bool = False) -> dict[str, Any]:
    """Return a task."""
    shape: dict[str, Any] = {
        "id": task_name(task.id),
        "url": task.url,
        "state": task.state.value,
        "queue": task.queue,
        "priority": level_of_score(task.priority_score).name,
        "priority_score": task.priority_score,
        "handler": task.handler,
        "batch_id": batch_name(task.batch_id) if task.batch_id is not None else None,
        "attempt": task.attempt,
        "max_retries": task.max_retries,
        "timeout": task.timeout,
        "memory_limit": task.memory_limit,
        "created_at": iso(task.created_at),
        "run_at": iso(task.run_at),
        "due_at": iso(task.due_at),
        "started_at": iso(task.started_at),
        "finished_at": iso(task.finished_at),
        "cancel_requested": task.cancel_requested,
        "error": task.error,
        "result": task.result,
        "metadata": task.metadata,
    }
    if with_attempts:
        shape["attempts"] = [_attempt(attempt) for attempt in task.attempts]
    return shape


def _attempt(attempt: Attempt) -> dict[str, Any]:
    return asdict(attempt) | {
        "started_at": iso(attempt.started_at),
        "finished_at": iso(attempt.finished_at),
    }


def article_shape(stored: StoredArticle, home: Path) -> dict[str, Any]:
    """Return where a task's article went."""
    article = stored.article
    folder = home / "articles"
    return {
        "title": article.title,
        "author": article.author,
        "account": article.account,
        "published_at": iso(article.published_at),
        "language": article.language,
        "final_url": article.final_url,
        "markdown": str(folder / article.markdown_path),
        "html": str(folder / article.html_path),
        "stored_at": iso(stored.stored_at),
    }


def event_shape(event: Event) -> dict[str, Any]:
    """Return one thing that happened to a task."""
    return {
        "at": iso(event.at),
        "event": event.kind,
        "task_id": task_name(event.task),
        "queue": event.queue,
        "attempt": event.attempt,
        "node": event.node,
        "why": event.why,
    }


def log_line_shape(part: LogPart, line: LogLine) -> dict[str, Any]:
    """Return one line that a run logged."""
    return {
        "attempt": part.attempt,
        "number": line.number,
        "at": iso(line.at),
        "level": level_word(line.level),
        "text": line.text,
    }


def receipt_shape(receipt: BatchReceipt, *, dry_run: bool) -> dict[str, Any]:
    """Return what became of a bulk submission."""
    return asdict(receipt) | {"rejected": [asdict(each) for each in receipt.rejected], "dry_run": dry_run}


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
    return shape


def changes_shape(queue: str, changes: Sequence[LimitChange], undo: str) -> dict[str, Any]:
    """Return which limits of a queue have changed, as people write them, and the command that sets them back."""
    changed = {each.key: {"before": each.before, "after": each.after} for each in changes}
    return {"queue": queue, "changed": changed, "undo": undo if changes else None}


def status_shape(
    status: RealtimeStatus, running: Sequence[RunningTask], alerts: Sequence[tuple[str, str]]
) -> dict[str, Any]:
    """Return the whole system at one moment."""
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
