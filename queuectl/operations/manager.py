"""The verbs on tasks and queues: submit, clear, pause; looking up and controlling tasks have files of their own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from queuectl.clock import now_ms
from queuectl.domain import priority as priorities
from queuectl.domain.batch import BatchReceipt, Entry, OnDuplicate
from queuectl.domain.lifecycle import WAITING, State
from queuectl.domain.selection import Selection
from queuectl.domain.task import ArticleTask, task_name
from queuectl.errors import InvalidInputError, QueuectlError, RefusedError
from queuectl.operations.bulk import partly_done
from queuectl.operations.dead_letters import DeadLetterControl
from queuectl.operations.delivery_control import DeliveryControl
from queuectl.operations.queue_control import QueueControl
from queuectl.operations.submission import submit_many, submit_one
from queuectl.operations.submission_key import SubmissionKey
from queuectl.operations.task_control import TaskControl
from queuectl.operations.transfer import TransferVerbs
from queuectl.operations.undo import UndoControl
from queuectl.operations.upkeep import Upkeep
from queuectl.store import queues, tasks
from queuectl.store.database import Database

_GROUP = 5_000
_CLEARING_PAUSE_SECONDS = 0.01


class QueueManager(
    QueueControl, TaskControl, DeadLetterControl, DeliveryControl, TransferVerbs, UndoControl, Upkeep
):
    """Submit tasks and control them. One instance may be shared by threads; it needs no running daemon.

    Raises:
        ConfigurationError: the settings have mistakes.
        UnreachableError: the database does not answer or does not fit.
    """

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
        connection: object | None = None,
        once: SubmissionKey | None = None,
    ) -> str:
        """Submit one task and return its id, such as ``task_12``; the keywords win over the task's fields.

        ``timeout`` is in seconds, ``memory_limit`` in megabytes; a ``publish_at`` without a zone is
        read in the configured one. ``connection`` is your own to the same PostgreSQL database, of
        psycopg2, psycopg or SQLAlchemy: the task then exists if and only if the transaction that is
        open there commits, and daemons are woken by that commit. A key ``once`` that was used before returns
        the id of then.

        Raises:
            InvalidURLError: the URL cannot be fetched.
            InvalidInputError: another field is not acceptable, or there is no transaction on the connection.
            DuplicateTaskError: it is to be unique, and an open task for the same URL exists.
            QueueFullError: as many tasks wait in its queue as may.
            RefusedError: the transaction on the connection may not write here.
            ConflictError: another writer was in the way of that transaction, which has to be tried again.
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
        if connection is not None:
            return task_name(submit_one(self._borrowed(connection), self.settings, merged))
        number = submit_one(self._database, self.settings, merged, once)
        self._wake()
        return task_name(number)

    def _borrowed(self, connection: object) -> Database:
        from queuectl.store.borrowed import BorrowedDatabase

        return BorrowedDatabase(self._database, connection)

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
        once: SubmissionKey | None = None,
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
            once=once,
        )
        if receipt.batch_id is not None:
            self._wake()
        return receipt

    def clear_queue(self, name: str) -> int:
        """Cancel every task that waits in a queue, in bounded groups; return how many.

        Raises:
            QueueNotFoundError: there is no such queue.
            PartlyDoneError: the database gave up after some groups, which stay cancelled.
        """
        queue = priorities.queue_named(name)
        newest = self.list_tasks(Selection(limit=1))
        present = newest[0].id + 1 if newest else 0
        waiting = Selection(states=tuple(WAITING), queues=(queue,), after=present, limit=1)
        operation = self._operation("clear-queue", queue)
        cleared, count = 0, _GROUP
        try:
            # What a daemon was moving at that moment is still to be cancelled, what has come since is not.
            while count == _GROUP or (self.count_waiting(queue) and self.list_tasks(waiting)):
                if not count:
                    threading.Event().wait(_CLEARING_PAUSE_SECONDS)
                with operation.writing() as transaction:
                    count = tasks.cancel_queue(transaction, queue, now_ms(), _GROUP)
                    cancelled = {each.id: State.CANCELLED for each in transaction.former}
                    operation.note_tasks(transaction, cancelled)
                cleared += count
        except QueuectlError as error:
            if cleared:
                raise partly_done(f"cancelled in {queue}", cleared, error) from error
            raise
        self._wake()
        return cleared

    def count_waiting(self, name: str) -> int:
        """Return how many tasks ``clear_queue`` would cancel."""
        queue = priorities.queue_named(name)
        with self._database.reading() as transaction:
            return queues.count_waiting(transaction, queue)
