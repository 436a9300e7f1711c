"""Change tasks: cancel, retry and reprioritize, one by its id or all that a selection finds."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from queuectl.clock import now_ms
from queuectl.domain import priority as priorities
from queuectl.domain.bulk import BulkResult
from queuectl.domain.lifecycle import WAITING, Move, State, sources
from queuectl.domain.selection import Selection
from queuectl.domain.targets import selected_tasks
from queuectl.domain.task import Task, task_name, task_number
from queuectl.errors import InvalidInputError, WrongStateError
from queuectl.operations.bulk import Progress, Verb, in_groups
from queuectl.operations.hearing import wait_until_heard
from queuectl.operations.task_queries import TaskQueries
from queuectl.store import dead_letters, reprioritizing, restoring, tasks
from queuectl.store.database import Transaction

OnGroup = Callable[[Progress], None]
ShouldStop = Callable[[], bool]

CANCELLABLE = sources(Move.CANCEL)
RETRIABLE = sources(Move.REQUEUE)
REPRIORITIZABLE = WAITING


class TaskControl(TaskQueries):
    """The verbs that change tasks. Those in the plural take all that match, in groups, the oldest first."""

    def cancel_task(self, task_id: str | int) -> Task:
        """Cancel a waiting task, or ask a running one to end; return it as it then is. No run begins any more.

        Raises:
            TaskNotFoundError: there is no such task.
            WrongStateError: it has ended already.
        """
        number = task_number(task_id)
        operation = self._operation("cancel", task_name(number))
        with operation.writing() as transaction:
            done = tasks.cancel(transaction, [number], now_ms())
            operation.note_tasks(transaction, done)
        self._wake()
        if done.get(number) is State.RUNNING:
            wait_until_heard(self._database, [number])
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
        operation = self._operation("retry", task_name(number))
        with operation.writing() as transaction:
            done = _requeue(transaction, [number])
            operation.note_tasks(transaction, done)
        self._wake()
        task = self.get_task(number)
        if not done:
            raise WrongStateError(
                f"{task_name(number)} cannot be retried: it is {task.state}",
                hint="only retrying, cancelled and dead tasks can",
            )
        return task

    def reprioritize_task(
        self, task_id: str | int, priority: str | None = None, *, score: int | None = None
    ) -> Task:
        """Give a waiting task another priority, and with it its place; return it as it then is.

        Raises:
            TaskNotFoundError: there is no such task.
            InvalidInputError: neither or both of priority and score are given, or they mean nothing.
            WrongStateError: it runs or has ended.
        """
        number = task_number(task_id)
        wanted = _score(priority, score)
        operation = self._operation("reprioritize", task_name(number))
        with operation.writing() as transaction:
            done = _reprioritize(transaction, [number], score=wanted)
            operation.note_tasks(transaction, done, scores=True)
        self._wake()
        task = self.get_task(number)
        if not done:
            raise WrongStateError(
                f"{task_name(number)} cannot get another priority: it is {task.state}",
                hint="only tasks that wait can",
            )
        return task

    def cancel_tasks(
        self, selection: Selection, *, on_group: OnGroup | None = None, should_stop: ShouldStop | None = None
    ) -> BulkResult:
        """Cancel all tasks that match: waiting ones at once, running ones by asking them to stop. No run begins then.

        Raises:
            UnreachableError: the database is gone, and nothing is done. After a group that is, the result has the
                error as its ``reason``.
        """
        return self._in_groups("cancel", selection, Verb(_cancel, CANCELLABLE), on_group, should_stop)

    def retry_tasks(
        self, selection: Selection, *, on_group: OnGroup | None = None, should_stop: ShouldStop | None = None
    ) -> BulkResult:
        """Send all retrying, cancelled and dead tasks that match back to their queues with a fresh budget.

        A queue's ``max_size`` does not hold for them: they were accepted before.

        Raises:
            UnreachableError: the database is gone, and nothing is done. After a group that is, the result has the
                error as its ``reason``.
        """
        return self._in_groups("retry", selection, Verb(_requeue, RETRIABLE), on_group, should_stop)

    def reprioritize_tasks(
        self,
        selection: Selection,
        priority: str | None = None,
        *,
        score: int | None = None,
        on_group: OnGroup | None = None,
        should_stop: ShouldStop | None = None,
    ) -> BulkResult:
        """Give all waiting tasks that match another priority; a queue's ``max_size`` does not hold for them.

        Raises:
            InvalidInputError: neither or both of priority and score are given, or they mean nothing.
            UnreachableError: the database is gone; the groups before are done.
        """
        wanted = _score(priority, score)
        act = partial(_reprioritize, score=wanted)
        verb = Verb(act, REPRIORITIZABLE, scores=True)
        return self._in_groups("reprioritize", selection, verb, on_group, should_stop)

    def _in_groups(
        self,
        name: str,
        selection: Selection,
        verb: Verb,
        on_group: OnGroup | None,
        should_stop: ShouldStop | None,
    ) -> BulkResult:
        operation = self._operation(name, selected_tasks(selection))

        def tell(progress: Progress) -> None:
            self._wake()
            if progress.asked:
                wait_until_heard(self._database, progress.asked)
            if on_group:
                on_group(progress)

        return in_groups(self._database, operation, selection, verb, on_group=tell, should_stop=should_stop)


def _score(priority: str | None, score: int | None) -> int:
    if (priority is None) == (score is None):
        raise InvalidInputError("the new priority is not clear", hint="give either a priority or a score")
    return priorities.level_named(priority).score if priority is not None else priorities.checked_score(score)


def _cancel(transaction: Transaction, numbers: list[int]) -> dict[int, State]:
    return tasks.cancel(transaction, numbers, now_ms())


def _requeue(transaction: Transaction, numbers: list[int]) -> dict[int, State]:
    former = {each.id: each for each in restoring.as_they_are(transaction, numbers)}
    done = tasks.requeue(transaction, numbers, now_ms())
    if done:
        letters = dead_letters.before_drop(transaction, done)
        transaction.kept = {"retried": [former[number] for number in done], "letters": letters}
        dead_letters.drop(transaction, done)
    return dict.fromkeys(done, State.QUEUED)


def _reprioritize(transaction: Transaction, numbers: list[int], *, score: int) -> dict[int, State]:
    return dict.fromkeys(reprioritizing.reprioritize(transaction, numbers, score), State.QUEUED)
