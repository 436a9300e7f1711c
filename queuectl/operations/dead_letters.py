"""The verbs on dead letters: make new tasks of them, one or many, and remove the old ones."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from queuectl.clock import now_ms
from queuectl.domain import priority
from queuectl.domain.dead_letter import DeadLetter, DeadLetterSelection, dead_letter_number, no_such_letter
from queuectl.domain.priority import QUEUES
from queuectl.domain.targets import selected_letters
from queuectl.domain.task import task_name, task_number
from queuectl.domain.urls import accept
from queuectl.errors import (
    AlreadyResurrectedError,
    DuplicateTaskError,
    InvalidInputError,
    QueuectlError,
    QueueFullError,
    RefusedError,
)
from queuectl.handlers import registry
from queuectl.operations.auditing import Operation
from queuectl.operations.bulk import partly_done
from queuectl.operations.places import Places
from queuectl.operations.verbs import Verbs
from queuectl.settings import Settings
from queuectl.store import dead_letters, submission
from queuectl.store.database import Database, Transaction
from queuectl.store.dead_letters import Remains
from queuectl.store.submission import NewTask

RESURRECTED_AT_ONCE = 500
"""So many dead letters become tasks in one transaction."""

PURGED_AT_ONCE = 2_000
"""So many dead letters are removed in one transaction."""

_PAUSE_SECONDS = 0.01
_KEPT_REFUSALS = 100
_NOTED = 20
_DAY_MS = 86_400_000
_LONGEST_DAYS = 36_500


@dataclass(frozen=True, slots=True)
class Resurrection:
    """A dead letter's number, and the id of the task that came of it."""

    dead_letter_id: int
    task_id: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """A dead letter that no task came of, and why."""

    dead_letter_id: int
    error: RefusedError


@dataclass(slots=True)
class Resurrections:
    """What became of a bulk resurrection; ``refusals`` holds the first hundred of those ``refused``.

    ``stopped`` says why it ended before all letters had been looked at, ``interrupted`` that it was asked to.
    """

    done: int = 0
    refused: int = 0
    refusals: tuple[Refusal, ...] = ()
    stopped: QueuectlError | None = None
    interrupted: bool = False

    def add(self, made: Sequence[Resurrection], refused: Sequence[Refusal]) -> None:
        """Take in one group's outcome."""
        self.done += len(made)
        self.refused += len(refused)
        self.refusals = (*self.refusals, *refused)[:_KEPT_REFUSALS]


class DeadLetterControl(Verbs):
    """A part of ``QueueManager``: what it can do about dead letters."""

    def resurrect_from_dead_letter(self, dead_letter_id: int | str, *, again: bool = False) -> str:
        """Submit the task of a dead letter anew, as it was submitted once, and return the new task's id.

        The old task stays dead. ``again`` allows it for a letter that was resurrected already.

        Raises:
            DeadLetterNotFoundError: there is no such dead letter.
            AlreadyResurrectedError: a task came of it already.
            DuplicateTaskError: the task is to be unique, and an open task for its URL exists.
            RefusedError: its handler is not configured any more, or its queue has no room.
        """
        number = dead_letter_number(dead_letter_id)
        wanted = DeadLetterSelection(ids=(number,), resurrected=True)
        operation = self._operation("dead resurrect", str(number))
        with operation.writing() as transaction:
            places = Places(transaction, QUEUES)
            found = dead_letters.remains(transaction, wanted, 1)
            if not found:
                raise no_such_letter(number)
            if found[0].resurrected_as is not None and not again:
                raise AlreadyResurrectedError(
                    f"dead letter {number} was resurrected already, as {task_name(found[0].resurrected_as)}",
                    hint=f"see: queuectl show {task_name(found[0].resurrected_as)}; or add --again",
                )
            made, refused = _resurrect(transaction, self.settings, found, places)
            if refused:
                raise refused[0].error
            _note(operation, transaction, found, made)
        self._wake()
        return made[0].task_id

    def resurrect_dead_letters(
        self,
        selection: DeadLetterSelection,
        *,
        on_group: Callable[[Sequence[Resurrection]], None] | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> Resurrections:
        """Submit the tasks of all dead letters that match anew, the oldest first, in bounded groups.

        Each group is committed before ``on_group`` is told of it and ``should_stop`` is asked. A full queue
        ends it, and so does an error after the first group; what is done stays done.

        Raises:
            UnreachableError: the database does not answer, and nothing is done.
        """
        total = Resurrections()
        after, left = selection.after or 0, selection.limit
        last = self._newest_letter()
        operation = self._operation("dead resurrect", selected_letters(selection))
        while left is None or left > 0:
            size = RESURRECTED_AT_ONCE if left is None else min(left, RESURRECTED_AT_ONCE)
            try:
                made, refused, after = self._resurrect_group(
                    operation, replace(selection, after=after), size, last
                )
            except QueuectlError as error:
                if not total.done and not isinstance(error, QueueFullError):
                    raise
                total.stopped = error
                break
            if not made and not refused:
                break
            total.add(made, refused)
            left = None if left is None else left - len(made) - len(refused)
            self._wake()
            if on_group:
                on_group(made)
            if should_stop is not None and should_stop():
                total.interrupted = True
                break
            threading.Event().wait(_PAUSE_SECONDS)  # so that other writers get their turn
        return total

    def count_dead_letters(self, selection: DeadLetterSelection | None = None) -> int:
        """Return how many dead letters match."""
        with self._database.reading() as transaction:
            return dead_letters.count(transaction, selection or DeadLetterSelection())

    def oldest_dead_letters(self, selection: DeadLetterSelection, limit: int) -> list[DeadLetter]:
        """Return the first dead letters that match, the oldest first: where resurrecting many begins."""
        with self._database.reading() as transaction:
            return dead_letters.find(transaction, selection, limit, oldest_first=True)

    def cleanup_dead_letter_queue(
        self, days: float = 30, *, dry_run: bool = False, on_progress: Callable[[int], None] | None = None
    ) -> int:
        """Remove the dead letters of tasks that died more than ``days`` days ago, and return how many.

        Their tasks stay dead and can still be looked at. ``dry_run`` only counts.

        Raises:
            InvalidInputError: ``days`` is negative or longer than a century.
            PartlyDoneError: the database gave up after some groups, which are removed.
        """
        before = moment_days_ago(days)
        if dry_run:
            return self.count_dead_letters(DeadLetterSelection(until=before, resurrected=True))
        operation = self._operation("dead purge", f"--days {days:g}")
        removed = 0
        while True:
            try:
                with operation.writing() as transaction:
                    count = dead_letters.purge(transaction, before, PURGED_AT_ONCE)
                    if count:
                        operation.note(transaction, count)
            except QueuectlError as error:
                if removed:
                    raise partly_done("removed", removed, error) from error
                raise
            removed += count
            if on_progress:
                on_progress(removed)
            if count < PURGED_AT_ONCE:
                return removed
            threading.Event().wait(_PAUSE_SECONDS)

    def _newest_letter(self) -> int:
        with self._database.reading() as transaction:
            return dead_letters.newest(transaction)

    def _resurrect_group(
        self, operation: Operation, selection: DeadLetterSelection, size: int, last: int
    ) -> tuple[list[Resurrection], list[Refusal], int]:
        while True:
            try:
                with operation.writing() as transaction:
                    places = Places(transaction, QUEUES)
                    found = dead_letters.remains(transaction, selection, size, last)
                    made, refused = _resurrect(transaction, self.settings, found, places)
                    _note(operation, transaction, found, made)
            except DuplicateTaskError:
                continue  # somebody submitted one of the URLs meanwhile; the next look sees it
            except QueueFullError:
                if size == 1:
                    raise
                size //= 2  # the queue may still have room for a part of the group
                continue
            return made, refused, found[-1].id if found else last


def moment_days_ago(days: object) -> int:
    """Return the moment so many days ago, in UTC milliseconds.

    Raises:
        InvalidInputError: it is no number from 0 to a century.
    """
    if isinstance(days, bool) or not isinstance(days, int | float) or not 0 <= days <= _LONGEST_DAYS:
        raise InvalidInputError(
            f"{days!r:.40} is not a number of days from 0 to {_LONGEST_DAYS}", hint="give days, such as 30"
        )
    return now_ms() - round(days * _DAY_MS)


def purge_group(database: Database, before: int, limit: int) -> int:
    """Remove one group of the dead letters of tasks that died before a moment; return how many."""
    with database.writing() as transaction:
        return dead_letters.purge(transaction, before, limit)


def _resurrect(
    transaction: Transaction, settings: Settings, found: Sequence[Remains], places: Places
) -> tuple[list[Resurrection], list[Refusal]]:
    now = now_ms()
    taken = _taken_urls(transaction, found)
    made: list[tuple[int, int]] = []
    refused: list[Refusal] = []
    for each in found:
        error = _refusal(each, settings, taken)
        if error is not None:
            refused.append(Refusal(each.id, error))
            continue
        row = _row(each, now)
        places.take([row])
        made.append((each.id, submission.insert(transaction, row)))
        if each.unique_key is not None:
            taken.add(each.url)
    if made:
        dead_letters.mark_resurrected(transaction, made, now)
    return [Resurrection(letter, task_name(task)) for letter, task in made], refused


def _note(
    operation: Operation, transaction: Transaction, found: Sequence[Remains], made: Sequence[Resurrection]
) -> None:
    """Have it recorded. What came of a letter that had been resurrected before stays when this is undone.

    Otherwise the letter would look as if nothing had ever come of it.
    """
    if made:
        before = {each.id for each in found if each.resurrected_as is not None}
        first = [task_number(each.task_id) for each in made if each.dead_letter_id not in before]
        operation.note(
            transaction,
            len(made),
            after={"tasks": [each.task_id for each in made[:_NOTED]]},
            created=_reaches(first),
        )


def _reaches(numbers: Sequence[int]) -> list[tuple[int, int]]:
    """Return rising numbers as ranges without gaps."""
    reaches: list[tuple[int, int]] = []
    for number in numbers:
        if reaches and reaches[-1][1] == number - 1:
            reaches[-1] = (reaches[-1][0], number)
        else:
            reaches.append((number, number))
    return reaches


def _refusal(remains: Remains, settings: Settings, taken: set[str]) -> RefusedError | None:
    if remains.unique_key is not None and remains.url in taken:
        return DuplicateTaskError(
            f"dead letter {remains.id} was not resurrected: an open task for {remains.url[:200]} exists already",
            hint=f"see: queuectl list --url '{remains.url[:200]}'",
        )
    if remains.handler not in registry.names(settings):
        return RefusedError(
            f"dead letter {remains.id} was not resurrected: there is no handler {remains.handler!r} any more",
            hint=f"configure [handlers.{remains.handler}], then try again",
        )
    return None


def _taken_urls(transaction: Transaction, found: Sequence[Remains]) -> set[str]:
    unique = [(each.unique_key, each.url) for each in found if each.unique_key is not None]
    return submission.open_urls(transaction, unique) if unique else set()


def _row(remains: Remains, now: int) -> NewTask:
    """Return the row of a task as it was submitted, but due now: it queues up behind those that wait already."""
    url, host, key = accept(remains.url)
    score = remains.priority_score
    return NewTask(
        url=url,
        url_key=key,
        host=host,
        handler=remains.handler,
        queue=priority.level_of_score(score).queue,
        priority_score=score,
        state="queued",
        due_at=now,
        run_at=None,
        created_at=now,
        timeout=remains.timeout,
        memory_limit=remains.memory_limit,
        max_retries=remains.max_retries,
        batch_id=None,
        unique_key=None if remains.unique_key is None else key,
        metadata=remains.metadata,
    )
