"""What a handler receives and returns; the whole agreement between the runner and any handler."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

from queuectl.domain.article import Article


@dataclass(frozen=True, slots=True)
class HandlerTask:
    """The task as its handler sees it; ``id`` is the one people see, such as ``task_12``."""

    id: str
    url: str
    metadata: dict[str, Any] = field(default_factory=dict)
    attempt: int = 1
    fence: int = 1
    queue: str = "medium_priority"
    priority_score: int = 5


class Context(Protocol):
    """A handler's second argument: its way to notice a cancellation and to report back."""

    @property
    def cancelled(self) -> bool:
        """True once a person asked to cancel the task, or the daemon wants to stop."""
        ...

    @property
    def log(self) -> logging.Logger | logging.LoggerAdapter[Any]:
        """A logger whose lines reach the daemon's log with the task's id and attempt."""
        ...

    def progress(self, fraction: float, note: str = "") -> None:
        """Report how far the run is, from 0 to 1, and optionally what it does now."""
        ...

    def keep(self, article: Article) -> None:
        """Hand over the article whose row is to be stored in the transaction of the success."""
        ...


Handler: TypeAlias = Callable[[HandlerTask, Context], object]
"""A handler returns a JSON value of at most 1 MiB, or raises."""
