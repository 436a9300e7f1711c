"""Turn the records of an import file into rows, after checking everything that a database would not."""

from __future__ import annotations

import json
from array import array
from bisect import bisect_left
from typing import Any, NamedTuple

from msgspec import UNSET

from queuectl.domain import priority
from queuectl.domain.admission import QueueRules
from queuectl.domain.lifecycle import FINAL, Move, State
from queuectl.domain.outcome import Verdict
from queuectl.domain.queue_limits import LIMITS
from queuectl.domain.task import ArticleTask
from queuectl.domain.urls import AcceptedURL, accept
from queuectl.domain.visible import storable
from queuectl.errors import InvalidInputError, QueueNotFoundError
from queuectl.operations import fields
from queuectl.operations import transfer_format as form
from queuectl.operations.import_file import ImportFile
from queuectl.operations.incoming_fields import FieldChecker
from queuectl.settings import Settings
from queuectl.settings.rules import HANDLER_NAME
from queuectl.store.submission import StoredTask
from queuectl.store.transfer import StoredAttempt, StoredBatch, StoredLetter

_LARGEST_RESULT = 1024 * 1024
_LARGEST_TASK = 64 * 1024 * 1024
_OUTCOMES = {verdict.value for verdict in Verdict}
_MOVES = {
    Verdict.SUCCEEDED.value: Move.SUCCEED,
    Verdict.CANCELLED.value: Move.CANCEL,
    Verdict.INTERRUPTED.value: Move.RELEASE,
}


class Incoming(NamedTuple):
    """A task with what follows it, and where it stands in the file; its batch is a place among the file's batches."""

    line: int
    old: int | None
    batch: int | None
    task: StoredTask
    attempts: list[StoredAttempt]
    letters: list[StoredLetter]


class Checker(FieldChecker):
    """Check records one after the other, in the order of the file.

    Raises:
        BadInputFileError: by any method, if the record is not acceptable.
    """

    def __init__(self, file: ImportFile, settings: Settings) -> None:
        super().__init__(file, settings)
        self._last_task = 0
        self._task_read = 0
        self._batches = array("q")
        self.queues: dict[str, QueueRules] = {}
        self._unique = set[int]()
        self.resurrected: set[int] = set()

    def queue(self, record: form.Queue) -> None:
        """Keep the settings of a queue."""
        try:
            name = priority.queue_named(record.name)
        except QueueNotFoundError as error:
            self._file.refuse(f"there is no queue {record.name!r:.60}", "queue.name", error.hint)
        if name in self.queues:
            self._file.refuse(f"{name} comes twice", "queue.name")
        limits = {key: self._limit(key, getattr(record, key)) for key in LIMITS}
        self.queues[name] = QueueRules(name, record.paused, **limits)

    def batch(self, record: form.Batch) -> StoredBatch:
        """Return the row of a batch."""
        if self._batches and record.id <= self._batches[-1]:
            self._file.refuse("the ids of batches have to rise from line to line", "batch.id")
        if len(self._batches) == form.BATCH_LIMIT:
            self._file.refuse(f"a file may have {form.BATCH_LIMIT:,} batches")
        if not 0 <= record.interval_minutes <= 525_600:
            self._file.refuse("it is not a number from 0 to 525600", "batch.interval_minutes")
        self._batches.append(record.id)
        name = None if record.name is None else self._name("batch.name", record.name)
        return StoredBatch(
            record.id, name, self._time("batch.created_at", record.created_at), record.interval_minutes
        )

    def task(self, record: form.Task) -> Incoming:
        """Return a task as it is to be stored, without what follows it."""
        self._check_place(record)
        queue, score = self._queue_and_score(record)
        created_at = (
            self._now if record.created_at is None else self._time("task.created_at", record.created_at)
        )
        run_at = self._moment("task.run_at", record.run_at)
        state = self._state(record, run_at)
        due_at = self._due(record, state, run_at, created_at)
        url = self._checked("task.url", accept, record.url)
        if record.unique and state not in FINAL:
            self._check_unique(url)
        self._check_options(record, state)
        if record.released > record.attempt:
            self._file.refuse("more runs were given back than there were", "task.released")
        row = StoredTask(
            url=url.url,
            url_key=url.key,
            host=url.host,
            handler=record.handler,
            queue=queue,
            priority_score=score,
            state=state.value,
            due_at=due_at,
            run_at=run_at,
            created_at=created_at,
            timeout=record.timeout,
            memory_limit=record.memory_limit,
            max_retries=record.max_retries,
            batch_id=None,
            unique_key=url.key if record.unique else None,
            metadata=self._checked("task.metadata", fields.metadata, record.metadata or {}),
            fence=max(record.fence, record.attempt),
            attempt=record.attempt,
            released=record.released,
            crashes=record.crashes,
            started_at=self._moment("task.started_at", record.started_at),
            finished_at=self._moment("task.finished_at", record.finished_at),
            result=self._result(record.result),
            error=self._text("task.error", record.error),
        )
        return Incoming(self._file.line, record.id, self._batch_of(record), row, [], [])

    def attempt(self, record: form.Attempt, task: Incoming | None) -> None:
        """Add a run to the task before it."""
        owner = self._owner("attempt", record.task, task)
        last = owner.attempts[-1].fence if owner.attempts else 0
        if not last < record.fence <= owner.task.fence:
            self._file.refuse("fences have to rise from run to run, up to that of the task", "attempt.fence")
        if record.outcome not in _OUTCOMES:
            self._file.refuse(f"it is not one of: {', '.join(sorted(_OUTCOMES))}", "attempt.outcome")
        finished_at = self._time("attempt.finished_at", record.finished_at)
        owner.attempts.append(
            StoredAttempt(
                record.fence,
                record.attempt,
                None if record.node is None else self._name("attempt.node", record.node),
                self._time("attempt.started_at", record.started_at),
                finished_at,
                record.outcome,
                self._text("attempt.error", record.error),
                self._text("attempt.traceback", record.traceback),
                record.move or _MOVES.get(record.outcome, Move.RETRY).value,
                finished_at
                if record.recorded_at is None
                else self._time("attempt.recorded_at", record.recorded_at),
            )
        )

    def dead_letter(self, record: form.DeadLetter, task: Incoming | None) -> None:
        """Add a dead letter to the task before it."""
        owner = self._owner("dead_letter", record.task, task)
        if owner.task.state != State.DEAD:
            self._file.refuse(f"its task is {owner.task.state} and not dead", "dead_letter.task")
        if (record.resurrected_as is None) != (record.resurrected_at is None):
            self._file.refuse("resurrected_as and resurrected_at go together", "dead_letter")
        if record.resurrected_as is not None:
            self.resurrected.add(record.resurrected_as)
        owner.letters.append(
            StoredLetter(
                self._name("dead_letter.cause", record.cause),
                self._text("dead_letter.error", record.error),
                record.attempts,
                self._time("dead_letter.died_at", record.died_at),
                record.resurrected_as,
                self._moment("dead_letter.resurrected_at", record.resurrected_at),
            )
        )

    def _limit(self, key: str, value: object) -> Any:
        limit = LIMITS[key]
        try:
            return None if value is None else limit.check(value)
        except (ValueError, InvalidInputError):
            self._file.refuse(f"{value!r:.60} is not {limit.accepts}", f"queue.{key}")

    def _check_place(self, record: form.Task) -> None:
        self._task_read = self._file.read
        if record.id is not None:
            if record.id <= self._last_task:
                self._file.refuse("the ids of tasks have to rise from line to line", "task.id")
            self._last_task = record.id

    def _queue_and_score(self, record: form.Task) -> tuple[str, int]:
        if record.score is None:
            level = priority.DEFAULT
            if record.queue is not None:
                level = self._checked("task.queue", priority.level_named, record.queue)
            return level.queue, level.score
        score = self._checked("task.score", priority.checked_score, record.score)
        queue = priority.level_of_score(score).queue
        if record.queue is not None:
            named = self._checked("task.queue", priority.level_named, record.queue).queue
            if named != queue:
                self._file.refuse(f"the score {score} belongs to {queue}, not to {named}", "task.score")
        return queue, score

    def _state(self, record: form.Task, run_at: int | None) -> State:
        if record.state is None:
            state = State.SCHEDULED if run_at is not None and run_at > self._now else State.QUEUED
        else:
            state = State(record.state)
        if state in FINAL and record.finished_at is None:
            self._file.refuse(f"it is missing, and a {state} task has an end", "task.finished_at")
        if state not in FINAL and record.finished_at is not None:
            self._file.refuse(f"a {state} task has no end as yet", "task.finished_at")
        return state

    def _due(self, record: form.Task, state: State, run_at: int | None, created_at: int) -> int:
        if record.due_at is not None:
            return self._time("task.due_at", record.due_at)
        if state in (State.SCHEDULED, State.RETRYING) and run_at is None:
            self._file.refuse(f"it is missing, and a {state} task waits for a time", "task.due_at")
        return created_at if run_at is None else run_at

    def _check_options(self, record: form.Task, state: State) -> None:
        options = ArticleTask(
            record.url,
            timeout=record.timeout,
            memory_limit=record.memory_limit,
            max_retries=record.max_retries,
        )
        self._checked("task", fields.check, options)
        if not HANDLER_NAME.fullmatch(record.handler):
            self._file.refuse(f"{record.handler!r:.60} is not a name", "task.handler")
        if (
            state not in FINAL
            and record.handler != "article"
            and record.handler not in self._settings.handlers
        ):
            self._file.refuse(
                f"there is no handler {record.handler!r} here, and the task is still to run",
                "task.handler",
                f"configure [handlers.{record.handler}] first; tasks that have ended need no handler",
            )

    def _check_unique(self, url: AcceptedURL) -> None:
        if url.key in self._unique:
            self._file.refuse(
                f"an open task before it has the same URL, {url.url[:200]}, and both are to be unique",
                "task.unique",
                "remove one of them",
            )
        self._unique.add(url.key)

    def _batch_of(self, record: form.Task) -> int | None:
        if record.batch is None:
            return None
        place = bisect_left(self._batches, record.batch)
        if place == len(self._batches) or self._batches[place] != record.batch:
            self._file.refuse(f"no line before it has the batch {record.batch}", "task.batch")
        return place

    def _owner(self, kind: str, number: int, task: Incoming | None) -> Incoming:
        if task is None or task.old != number:
            self._file.refuse(f"it does not follow its task {number}", f"{kind}.task")
        if self._file.read - self._task_read > _LARGEST_TASK:
            self._file.refuse(f"what belongs to this task is larger than {_LARGEST_TASK:,} bytes")
        return task

    def _result(self, value: Any) -> str | None:
        if value is UNSET:
            return None
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        if storable(text) != text:  # a lone surrogate, which can be stored only as JSON's escape
            text = json.dumps(value, separators=(",", ":"))
        if len(text.encode()) > _LARGEST_RESULT:
            self._file.refuse(f"it is larger than {_LARGEST_RESULT:,} bytes", "task.result")
        return text
