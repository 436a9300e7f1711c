"""Tasks, what became of them, and what they said."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from queuectl.domain.batch import BatchReceipt
from queuectl.domain.event import Event
from queuectl.domain.priority import level_of_score
from queuectl.domain.task import Attempt, Task, batch_name, task_name
from queuectl.domain.task_log import LogLine, LogPart
from queuectl.times import iso

if TYPE_CHECKING:
    from queuectl.store.articles import StoredArticle


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


def level_word(level: int) -> str:
    """Return the name of one of logging's levels, or of the nearest below."""
    for least, word in ((50, "critical"), (40, "error"), (30, "warning"), (20, "info")):
        if level >= least:
            return word
    return "debug"


def receipt_shape(receipt: BatchReceipt, *, dry_run: bool) -> dict[str, Any]:
    """Return what became of a bulk submission."""
    return asdict(receipt) | {"rejected": [asdict(each) for each in receipt.rejected], "dry_run": dry_run}
