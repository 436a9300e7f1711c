"""Make the row of a task: check what was submitted and give it its place in the order."""

from __future__ import annotations

from typing import Any

from queuectl.clock import now_ms
from queuectl.domain import priority
from queuectl.domain.lifecycle import State
from queuectl.domain.task import ArticleTask
from queuectl.domain.urls import accept
from queuectl.errors import InvalidInputError
from queuectl.operations import fields
from queuectl.settings import Settings
from queuectl.store.submission import NewTask
from queuectl.times import is_kept


class RowMaker:
    """Make rows from submissions that share a moment and a default priority."""

    def __init__(self, settings: Settings, *, default: str | None = None) -> None:
        self._settings = settings
        self._default = priority.level_named(default) if default is not None else priority.DEFAULT
        self.now = now_ms()
        self._plain: dict[int | None, tuple[Any, ...]] = {}

    def row(self, task: ArticleTask, *, not_before: int | None = None) -> NewTask:
        """Return the row for a task; ``not_before`` (UTC milliseconds) holds if the task names no time itself.

        Raises:
            InvalidInputError: something about the task is not acceptable; the message says what.
        """
        fields.check(task)
        url = accept(task.url)
        score = self._score(task)
        run_at = not_before
        if task.publish_at is not None:
            run_at = fields.moment(task.publish_at, self._settings.timezone)
        fields.check_handler(task.handler, self._settings)
        return self._row(
            *url, score, run_at, task.handler, task.timeout, task.memory_limit, task.max_retries,
            fields.metadata(task.metadata), unique=task.unique,
        )  # fmt: skip

    def plain_row(self, text: str, not_before: int | None) -> NewTask:
        """Return the row for a URL without options.

        Raises:
            InvalidURLError: it cannot be fetched.
        """
        url, host, key = accept(text)
        rest = self._plain.get(not_before)
        if rest is None:
            # All but these three is the same for every plain URL, and a batch may have a million of them.
            row = self._row(
                url, host, key, self._default.score, not_before, "article", None, None, None, "{}"
            )
            rest = self._plain[not_before] = row[3:]
        return NewTask(url, key, host, *rest)

    def moved(self, row: NewTask, run_at: int) -> NewTask:
        """Return the row with another time to start at, in UTC milliseconds.

        Raises:
            InvalidInputError: the time is so far away that it cannot be stored.
        """
        if not is_kept(run_at):
            raise InvalidInputError(
                f"{row.url[:200]} would start beyond the year 9999; nothing was submitted",
                hint="give a shorter interval, or fewer URLs",
            )
        if run_at <= self.now:
            return row._replace(run_at=run_at)
        return row._replace(run_at=run_at, due_at=run_at, state=State.SCHEDULED.value)

    def _row(
        self,
        url: str,
        host: str,
        key: int,
        score: int,
        run_at: int | None,
        handler: str,
        timeout: float | None,
        memory_limit: int | None,
        max_retries: int | None,
        metadata: str,
        *,
        unique: bool = False,
    ) -> NewTask:
        now = self.now
        later = run_at is not None and run_at > now
        due_at = run_at if run_at is not None and later else now
        return NewTask(
            url,
            key,
            host,
            handler,
            priority.level_of_score(score).queue,
            score,
            "scheduled" if later else "queued",
            due_at,
            run_at,
            now,
            timeout,
            memory_limit,
            max_retries,
            None,
            key if unique else None,
            metadata,
        )

    def _score(self, task: ArticleTask) -> int:
        if task.priority_score is not None:
            return priority.checked_score(task.priority_score)
        return priority.level_named(task.priority).score if task.priority is not None else self._default.score
