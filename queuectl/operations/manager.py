"""The verbs on tasks and queues: submit, look up, cancel, retry, clear, pause."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable
from datetime import datetime
from types import TracebackType
from typing import Any

from queuectl.clock import monotonic, now_ms
from queuectl.domain import priority as priorities
from queuectl.domain.batch import BatchReceipt, Entry, OnDuplicate
from queuectl.domain.lifecycle import FINAL, WAITING, State
from queuectl.domain.selection import Selection
from queuectl.domain.task import ArticleTask, Task, task_name, task_number
from queuectl.errors import (
    DatabaseUnreachableError,
    InvalidInputError,
    RefusedError,
    TaskNotFoundError,
    WaitTimedOutError,
    WrongStateError,
)
from queuectl.operations.dead_letters import DeadLetterControl
from queuectl.operations.opening import open_database
from queuectl.operations.queue_control import QueueControl
from queuectl.operations.submission import submit_many, submit_one
from queuectl.operations.upkeep import Upkeep
from queuectl.settings import Settings, load
from queuectl.store import dead_letters, listing, queues, tasks
from queuectl.store.database import Database
from queuectl.wakeup import ring

_NOTICE_GAP_SECONDS = 0.01
_GROUP = 5_000
_LONGEST_LIST = 1_000_000
_CLEARING_PAUSE_SECONDS = 0.01


class QueueManager(QueueControl, DeadLetterControl, Upkeep):
    """Submit tasks and control them. One instance may be shared by threads; it needs no running daemon.

    Raises:
        ConfigurationError: the settings have mistakes.
        UnreachableError: the database does not answer or does not fit.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or load().settings
        self._database: Database = open_database(self.settings)
        self._noticed = 0.0

    def __enter__(self) -> QueueManager:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close this thread's connection; the manager can still be used and opens it again."""
        self._database.close()

    def submit_task(
        self,
        task: ArticleTask | str | None = None,
        priority: str | None = None,
        *,
        url: str | None = None,
        metadata: dict[str, Any] | None = None,
        priority_score: int | None = None,
        handler: str | None = None,
        publish_at: datetime | None = None,
        timeout: float | None = None,
        memory_limit: int | None = None,
        max_retries: int | None = None,
        unique: bool | None = None,
    ) -> str:
        """Submit one task and return its id, such as ``task_12``; the keywords win over the task's fields.

        ``timeout`` is in seconds, ``memory_limit`` in megabytes; a ``publish_at`` without a zone is
        read in the configured one.

        Raises:
            InvalidURLError: the URL cannot be fetched.
            InvalidInputError: another field is not acceptable.
            DuplicateTaskError: it is to be unique, and an open task for the same URL exists.
            QueueFullError: as many tasks wait in its queue as may.
            UnreachableError: the database does not answer; whether the task exists is then unknown.
        """
        wanted = task if isinstance(task, ArticleTask) else ArticleTask(task or url or "")
        options = {
            "url": url,
            "priority": priority,
            "metadata": metadata,
            "priority_score": priority_score,
            "handler": handler,
            "publish_at": publish_at,
            "timeout": timeout,
            "memory_limit": memory_limit,
            "max_retries": max_retries,
            "unique": unique,
        }
        fields = {name: getattr(wanted, name) for name in ArticleTask.__slots__}
        if priority is not None:
            fields["priority_score"] = None  # or the task's score would win over the keyword
        merged = ArticleTask(**fields | {name: value for name, value in options.items() if value is not None})
        number = submit_one(self._database, self.settings, merged)
        self._wake()
        return task_name(number)

    def submit_batch(
        self,
        urls: Iterable[str | ArticleTask],
        priority: str | None = None,
        batch_name: str | None = None,
        interval_minutes: float = 0,
        *,
        start_at: datetime | None = None,
        on_duplicate: OnDuplicate = "allow",
    ) -> str:
        """Submit tasks together, all or none, and return the batch's id, such as ``batch_3``.

        With an interval the n-th task is due n intervals after the first; with 0 all are due at once.

        Raises:
            InvalidInputError: a URL or an argument is not acceptable, or there is no URL at all.
            DuplicateTaskError: a URL is a duplicate and ``on_duplicate`` is "error".
            RefusedError: every URL is a duplicate.
            QueueFullError: it does not fit into one of its queues.
            UnreachableError: the database does not answer.
        """
        receipt = submit_many(
            self._database,
            self.settings,
            urls,
            default=priority,
            name=batch_name,
            interval_minutes=interval_minutes,
            start_at=start_at,
            on_duplicate=on_duplicate,
            strict=True,
        )
        if receipt.batch_id is None:
            if receipt.duplicates:
                raise RefusedError(f"all {receipt.duplicates} URLs are duplicates; nothing was submitted")
            raise InvalidInputError("the batch has no URL", hint="give at least one")
        self._wake()
        return receipt.batch_id

    def submit_entries(
        self,
        entries: Iterable[Entry],
        *,
        priority: str | None = None,
        batch_name: str | None = None,
        interval_minutes: float = 0,
        start_at: datetime | None = None,
        on_duplicate: OnDuplicate = "skip",
        dry_run: bool = False,
        on_progress: Callable[[int], None] | None = None,
    ) -> BatchReceipt:
        """Submit the acceptable ones of numbered entries as a batch and report on the others.

        Raises:
            DuplicateTaskError: an entry is a duplicate and ``on_duplicate`` is "error"; nothing is submitted.
            QueueFullError: they do not fit into one of their queues; nothing is submitted.
            UnreachableError: the database does not answer.
        """
        receipt = submit_many(
            self._database,
            self.settings,
            entries,
            default=priority,
            name=batch_name,
            interval_minutes=interval_minutes,
            start_at=start_at,
            on_duplicate=on_duplicate,
            strict=False,
            dry_run=dry_run,
            on_progress=on_progress,
        )
        if receipt.batch_id is not None:
            self._wake()
        return receipt

    def get_task(self, task_id: str | int) -> Task:
        """Return a task with its attempts.

        Raises:
            TaskNotFoundError: there is no such task.
        """
        number = task_number(task_id)
        with self._database.reading() as transaction:
            found = listing.task(transaction, number)
        if found is None:
            raise _no_such_task(number)
        return found

    def list_tasks(self, selection: Selection | None = None) -> list[Task]:
        """Return the tasks that match, the newest first, without their attempts.

        Raises:
            InvalidInputError: the selection asks for less than one task or more than a million.
        """
        if selection is not None and not 1 <= selection.limit <= _LONGEST_LIST:
            raise InvalidInputError(f"the limit {selection.limit} is not between 1 and {_LONGEST_LIST}")
        with self._database.reading() as transaction:
            return listing.tasks(transaction, selection or Selection())

    def wait_for(
        self,
        task_ids: Iterable[str | int],
        timeout: float | None = None,
        on_change: Callable[[int, State], None] | None = None,
    ) -> list[Task]:
        """Wait until all these tasks are final and return them.

        ``on_change`` is told each new state. Interrupting the wait leaves the tasks alone.

        Raises:
            TaskNotFoundError: one of them does not exist.
            WaitTimedOutError: ``timeout`` seconds have passed first.
        """
        numbers = [task_number(task_id) for task_id in task_ids]
        deadline = None if timeout is None else monotonic() + timeout
        seen: dict[int, State] = {}
        pause = 0.005
        while True:
            states = self._states(numbers)
            for number, state in states.items():
                if on_change and seen.get(number) is not state:
                    on_change(number, state)
            seen = states
            open_tasks = [number for number in numbers if states[number] not in FINAL]
            if not open_tasks:
                return [self.get_task(number) for number in numbers]
            if deadline is not None and monotonic() >= deadline:
                first = open_tasks[0]
                raise WaitTimedOutError(
                    f"{task_name(first)} is still {states[first]} after {timeout:g} s",
                    hint=f"it goes on; see: queuectl show {task_name(first)}",
                )
            threading.Event().wait(pause)
            pause = min(pause * 1.3, 0.25)

    def cancel_task(self, task_id: str | int) -> Task:
        """Cancel a waiting task, or ask a running one to end; return it as it then is.

        Raises:
            TaskNotFoundError: there is no such task.
            WrongStateError: it has ended already.
        """
        number = task_number(task_id)
        with self._database.writing() as transaction:
            done = tasks.cancel(transaction, [number], now_ms())
        self._wake()
        task = self.get_task(number)
        if not done:
            raise WrongStateError(
                f"{task_name(number)} has ended already: it is {task.state}",
                hint=f"see: queuectl show {task_name(number)}",
            )
        return task

    def retry_task(self, task_id: str | int) -> Task:
        """Send a retrying, cancelled or dead task back to its queue with a fresh budget of attempts.

        It is let in even where the queue is full.

        Raises:
            TaskNotFoundError: there is no such task.
            WrongStateError: it is in another state.
            DuplicateTaskError: it is unique, and another open task for its URL exists.
        """
        number = task_number(task_id)
        with self._database.writing() as transaction:
            done = tasks.requeue(transaction, [number], now_ms())
            if done:
                dead_letters.drop(transaction, done)
        self._wake()
        task = self.get_task(number)
        if not done:
            raise WrongStateError(
                f"{task_name(number)} cannot be retried: it is {task.state}",
                hint="only retrying, cancelled and dead tasks can",
            )
        return task

    def clear_queue(self, name: str) -> int:
        """Cancel every task that waits in a queue, in bounded groups; return how many.

        Raises:
            QueueNotFoundError: there is no such queue.
        """
        queue = priorities.queue_named(name)
        newest = self.list_tasks(Selection(limit=1))
        present = newest[0].id + 1 if newest else 0
        waiting = Selection(states=tuple(WAITING), queues=(queue,), after=present, limit=1)
        cleared = 0
        while True:
            with self._database.writing() as transaction:
                count = tasks.cancel_queue(transaction, queue, now_ms(), _GROUP)
            cleared += count
            # What a daemon was moving at that moment is still to be cancelled, what has come since is not.
            if count < _GROUP and not (self.count_waiting(queue) and self.list_tasks(waiting)):
                self._wake()
                return cleared
            if not count:
                threading.Event().wait(_CLEARING_PAUSE_SECONDS)

    def count_waiting(self, name: str) -> int:
        """Return how many tasks ``clear_queue`` would cancel."""
        queue = priorities.queue_named(name)
        with self._database.reading() as transaction:
            return queues.count_waiting(transaction, queue)

    def _states(self, numbers: list[int]) -> dict[int, State]:
        with self._database.reading() as transaction:
            states = listing.states_of(transaction, numbers)
        for number in numbers:
            if number not in states:
                raise _no_such_task(number)
        return states

    def _wake(self) -> None:
        """Wake daemons: the local one always, those on other machines at most every ten milliseconds."""
        ring(self.settings.home)
        if self._database.engine == "postgresql" and monotonic() - self._noticed > _NOTICE_GAP_SECONDS:
            self._noticed = monotonic()
            # What it tells of is stored, so its loss must not look like a failure of the verb.
            with contextlib.suppress(DatabaseUnreachableError):
                self._database.notify()


def _no_such_task(number: int) -> TaskNotFoundError:
    return TaskNotFoundError(f"there is no task {task_name(number)}", hint="see: queuectl list")
