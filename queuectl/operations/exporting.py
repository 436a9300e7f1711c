"""Write tasks and what belongs to them to a stream, from one snapshot and in flat memory."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterator
from typing import IO, Any

from queuectl import __version__
from queuectl.clock import now_ms
from queuectl.domain import priority
from queuectl.domain.admission import QueueRules
from queuectl.domain.lifecycle import State
from queuectl.domain.schedule import Schedule
from queuectl.domain.selection import Selection
from queuectl.domain.task import batch_name, task_name
from queuectl.domain.transfer import ExportReceipt, Part
from queuectl.domain.visible import visible
from queuectl.operations import transfer_format as form
from queuectl.store import queues, schedules, transfer, transfer_schedules
from queuectl.store.database import Database, Transaction
from queuectl.store.transfer import ExportedTask, StoredAttempt, StoredLetter


def export(
    database: Database,
    stream: IO[bytes],
    selection: Selection,
    parts: Collection[Part],
    *,
    on_progress: Callable[[int], None] | None = None,
) -> ExportReceipt:
    """Write the tasks that match, with ``parts`` of what belongs to them.

    ``on_progress`` is told how many tasks have been written.

    Raises:
        UnreachableError: the database does not answer.
    """
    writer = _Writer(stream, now_ms())
    writer.put(
        form.header_line(writer.now, __version__, filters_of(selection), [each.value for each in parts])
    )
    with database.reading() as transaction:
        if Part.QUEUES in parts:
            for name, rules in queues.rules(transaction).items():
                if not selection.queues or name in selection.queues:
                    writer.record("queue", _queue(rules))
        if Part.SCHEDULES in parts:
            _put_schedules(writer, transaction, selection)
        if Part.BATCHES in parts:
            for group in transfer.batches(transaction, selection):
                for batch in group:
                    writer.record("batch", _batch(batch))
        for tasks in transfer.tasks(transaction, selection):
            writer.tasks(transaction, tasks, parts)
            if on_progress:
                on_progress(writer.counts["tasks"])
    return writer.end()


class _Writer:
    """Write lines, count them and sum them up."""

    def __init__(self, stream: IO[bytes], now: int) -> None:
        self._stream = stream
        self._sum = hashlib.sha256()
        self.now = now
        self.counts = dict.fromkeys(form.COUNTED.values(), 0)

    def put(self, line: bytes) -> None:
        self._sum.update(line)
        self._stream.write(line)

    def record(self, kind: str, record: dict[str, Any]) -> None:
        self.counts[form.COUNTED[kind]] += 1
        self.put(form.line(kind, record))

    def tasks(self, transaction: Transaction, tasks: list[ExportedTask], parts: Collection[Part]) -> None:
        """Write a group of tasks, each followed by its runs and its dead letters."""
        attempts: Iterator[tuple[int, StoredAttempt]] = iter(())
        letters: dict[int, list[StoredLetter]] = {}
        if Part.ATTEMPTS in parts and (begun := [task.id for task in tasks if task.attempt]):
            attempts = transfer.attempts(transaction, begun)
        if Part.DEAD_LETTERS in parts and (dead := [task.id for task in tasks if task.state == "dead"]):
            letters = transfer.dead_letters(transaction, dead)
        following = next(attempts, None)
        for task in tasks:
            self.record("task", _task(task, self.now, with_batch=Part.BATCHES in parts))
            while following is not None and following[0] == task.id:
                self.record("attempt", _attempt(*following))
                following = next(attempts, None)
            for letter in letters.get(task.id, ()):
                self.record("dead_letter", _letter(task.id, letter))

    def end(self) -> ExportReceipt:
        """Write the last line."""
        checksum = self._sum.hexdigest()
        self.put(form.line("end", {"counts": self.counts, "sha256": checksum}))
        return ExportReceipt(None, self.counts, checksum)


def _put_schedules(writer: _Writer, transaction: Transaction, selection: Selection) -> None:
    """Write the schedules that submit to the queues of a selection, each followed by what its source has had."""
    for schedule in schedules.every(transaction):
        if (
            selection.queues
            and priority.level_of_score(schedule.priority_score).queue not in selection.queues
        ):
            continue
        writer.record("schedule", _schedule(schedule))
        for keys in transfer_schedules.of_schedule(transaction, schedule.id, form.SEEN_LIMIT):
            writer.record("seen", {"schedule": schedule.name, "keys": keys})


def filters_of(selection: Selection) -> dict[str, Any]:
    """Return a selection as it is told in a header; only what narrows it is in there."""
    told: dict[str, Any] = {
        "ids": [task_name(number) for number in selection.ids],
        "states": [state.value for state in selection.states],
        "queues": list(selection.queues),
        "batch": None if selection.batch is None else batch_name(selection.batch),
        "host": selection.host,
        "url": selection.url,
        "error": selection.error,
        "since": None if selection.since is None else form.moment(selection.since),
        "until": None if selection.until is None else form.moment(selection.until),
    }
    return {name: value for name, value in told.items() if value}


def _task(task: ExportedTask, now: int, *, with_batch: bool) -> dict[str, Any]:
    state, released, finished_at = _settled(task, now)
    return {
        "id": task.id,
        "url": task.url,
        "handler": task.handler,
        "queue": task.queue,
        "score": task.priority_score,
        "state": state,
        "metadata": None if task.metadata == "{}" else form.stored_json(task.metadata),
        "batch": task.batch_id if with_batch else None,
        "unique": None if task.unique_key is None else True,
        "timeout": task.timeout,
        "memory_limit": task.memory_limit,
        "max_retries": task.max_retries,
        "created_at": form.moment(task.created_at),
        "run_at": _moment(task.run_at),
        "due_at": form.moment(task.due_at),
        "started_at": _moment(task.started_at),
        "finished_at": _moment(finished_at),
        "fence": task.fence or None,
        "attempt": task.attempt or None,
        "released": released or None,
        "crashes": task.crashes or None,
        "result": None if task.result is None else form.stored_json(task.result),
        "error": task.error,
    }


def _settled(task: ExportedTask, now: int) -> tuple[str, int, int | None]:
    """Return state, released runs and end of a task as if its daemon had just given it back.

    A run cannot travel; what was asked to end is cancelled, as it would be when its daemon stops.
    """
    if task.state == State.DISPATCHED:
        return State.QUEUED.value, task.released, None
    if task.state != State.RUNNING:
        return task.state, task.released, task.finished_at
    if task.cancel_requested:
        return State.CANCELLED.value, task.released, now
    return State.QUEUED.value, task.released + 1, None


def _attempt(task: int, attempt: StoredAttempt) -> dict[str, Any]:
    return {
        "task": task,
        **attempt._asdict(),
        "started_at": form.moment(attempt.started_at),
        "finished_at": form.moment(attempt.finished_at),
        "recorded_at": form.moment(attempt.recorded_at),
    }


def _letter(task: int, letter: StoredLetter) -> dict[str, Any]:
    return {
        "task": task,
        **letter._asdict(),
        "died_at": form.moment(letter.died_at),
        "resurrected_at": _moment(letter.resurrected_at),
    }


def _batch(batch: transfer.StoredBatch) -> dict[str, Any]:
    return {
        "id": batch.id,
        "name": None if batch.name is None else visible(batch.name),
        "created_at": form.moment(batch.created_at),
        "interval_minutes": batch.interval_minutes or None,
    }


def _schedule(schedule: Schedule) -> dict[str, Any]:
    return {
        "name": schedule.name,
        "source": schedule.source,
        "cron": schedule.cron,
        "zone": schedule.zone,
        "score": schedule.priority_score,
        "handler": schedule.handler,
        "metadata": schedule.metadata or None,
        "only_new": schedule.only_new,
        "catch_up": schedule.catch_up,
        "overlap": schedule.overlap,
        "paused": schedule.paused or None,
        "created_at": form.moment(schedule.created_at),
        "next_tick_at": _moment(schedule.next_tick_at),
        "etag": schedule.etag,
        "last_modified": schedule.last_modified,
        "good_entries": schedule.good_entries,
    }


def _queue(rules: QueueRules) -> dict[str, Any]:
    fields: dict[str, Any] = {name: getattr(rules, name) for name in QueueRules.__slots__}
    return fields | {
        "paused": rules.paused or None,
        "rate_limit": None if rules.rate_limit is None else str(rules.rate_limit),
    }


def _moment(at: int | None) -> str | None:
    return None if at is None else form.moment(at)
