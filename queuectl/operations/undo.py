"""Undo: put back what an operation changed and nobody has touched since, and say of the rest that it was left."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from queuectl.clock import now_ms
from queuectl.domain.audit import may_be_number
from queuectl.domain.bulk import Outcome
from queuectl.domain.lifecycle import State
from queuectl.domain.task import batch_name
from queuectl.domain.undo import UndoPlan, UndoResult
from queuectl.errors import NotFoundError, QueuectlError, RefusedError
from queuectl.operations import bulk, undo_times
from queuectl.operations.auditing import Operation
from queuectl.operations.bulk import Verb, act_on_group, until_stopped
from queuectl.operations.undo_retry import Retried
from queuectl.operations.verbs import Verbs
from queuectl.store import audit, dead_letters, listing, reprioritizing, restoring, schedules, undo
from queuectl.store.audit import AuditSelection, Former, Summary
from queuectl.store.database import Database, Transaction

OnGroup = Callable[[UndoResult], None]
ShouldStop = Callable[[], bool]

Move = Callable[[Transaction, Sequence[Former]], Mapping[int, State]]

_SAMPLE = 5
_UNDONE_ONCE = {"retry", "dead resurrect"}
"""Undoing these cannot be undone: the same verb does the same again."""

_PAUSE_SECONDS = 0.01


class UndoControl(Verbs):
    """A part of ``QueueManager``."""

    def undo(
        self, number: int, *, on_group: OnGroup | None = None, should_stop: ShouldStop | None = None
    ) -> UndoResult:
        """Put back what an operation has changed, in bounded groups; it is an operation itself, which can be undone.

        What has changed since is left as it is and counted. Cancelled tasks return to the state, the time and
        the place in which they waited; those that ran when they were cancelled cannot. Of a batch or an
        import, and of what came of dead letters, those tasks are cancelled that have never been started.
        Retried tasks go back to what they were, unless they have been dispatched since.

        Raises:
            NotFoundError: there is no such operation.
            RefusedError: it cannot be undone, or not any more.
            UnreachableError: the database is gone, and nothing is put back. After a group that was, the result
                has the error as its ``reason``.
        """
        done, kept = self._kept(number)
        operation = Operation(self._database, self.settings, "undo", done.first.target, undoes=number)
        result = UndoResult(undone=number, lasting=done.first.verb in _UNDONE_ONCE)
        operation.keeps = operation.keeps and not result.lasting
        move: Move = _move_back
        if kept is None:
            groups = self._groups_of_tasks(done, result)
            move = _move_of(done)
        elif "batch" in kept:
            groups = self._groups_of_batch(kept["batch"], result)
        elif "retried" in kept:
            retried = Retried(self._database, number)
            groups, move = retried.groups(), retried.put_back
        else:
            if "times" in kept:
                undo_times.put_back(operation, undo_times.former_times(kept["times"]), result)
            else:
                from queuectl.operations import undo_settings  # submitting and looking need none of it

                undo_settings.put_back(operation, done.first, kept, result)
            result.operation = operation.number
            self._wake()
            return result
        for group in until_stopped(result, groups):
            try:
                self._undo_group(operation, group, move, result)
            except QueuectlError as error:
                result.stop(error)
            self._wake()
            if on_group:
                on_group(result)
            if should_stop is not None and should_stop():
                result.stopped = True
                break
            threading.Event().wait(_PAUSE_SECONDS)  # SQLite's write lock is not fair
        return result

    def undo_plan(self, number: int) -> UndoPlan:
        """Return what ``undo`` would do now.

        Raises:
            NotFoundError: there is no such operation.
            RefusedError: it cannot be undone, or not any more.
        """
        done, kept = self._kept(number)
        sample: Sequence[int] = ()
        with self._database.reading() as transaction:
            outcomes = Counter[str]()
            if kept is None:
                scores = _is_about_scores(done)
                outcomes = undo.foreseen(transaction, number, scores=scores)
                sample = undo.sample(transaction, number, _SAMPLE, scores=scores)
            elif "batch" in kept:
                waiting, members = undo.count_of_batch(transaction, kept["batch"])
                outcomes = Counter({"done": waiting, "changed": members - waiting})
                sample = list(undo.unstarted(transaction, kept["batch"], 0, _SAMPLE))
            elif "times" in kept:
                outcomes, found = undo_times.foreseen(transaction, undo_times.former_times(kept["times"]))
                sample = found[:_SAMPLE]
        if kept is not None and "retried" in kept:
            outcomes, found = Retried(self._database, number).foreseen()
            sample = found[:_SAMPLE]
        first = done.first
        return UndoPlan(number, first.verb, first.target, outcomes, tuple(sample), done.undone_by)

    def undoable_operations(self, limit: int = 20) -> list[Summary]:
        """Return the latest operations that can still be undone, the newest first."""
        with self._database.reading() as transaction:
            return audit.operations(transaction, AuditSelection(kept=True), limit)

    def _kept(self, number: int) -> tuple[Summary, dict[str, Any] | None]:
        found, content = list[Summary](), None
        if may_be_number(number):
            with self._database.reading() as transaction:
                found = audit.operations(transaction, AuditSelection(operation=number), 1)
                content = undo.kept_row(transaction, number)
        if not found:
            raise NotFoundError(f"there is no operation {number}", hint="see: queuectl undo --list")
        if not found[0].kept:
            raise RefusedError(
                f"operation {number} ({found[0].first.verb}) cannot be undone, or not any more",
                hint="see: queuectl undo --list",
            )
        return found[0], None if content is None else json.loads(content)

    def _groups_of_tasks(self, done: Summary, result: UndoResult) -> Iterator[list[Former]]:
        after, scores = 0, _is_about_scores(done)
        while True:
            with self._database.reading() as transaction:
                found = undo.kept_tasks(transaction, done.first.number, after, bulk.GROUP)
            group = [each for each in found if scores or each.state is not State.RUNNING]
            result.ran += len(found) - len(group)
            yield group
            if len(found) < bulk.GROUP:
                return
            after = found[-1].id

    def _groups_of_batch(self, batch: int, result: UndoResult) -> Iterator[list[Former]]:
        """Yield the tasks that were never started, as ones that are to be cancelled again."""
        with self._database.reading() as transaction:
            waiting, members = undo.count_of_batch(transaction, batch)
        if members > waiting:
            started = f"{members - waiting:,} of {members:,} tasks of {batch_name(batch)}"
            result.kept_as_is.append(f"{started} have been started, or have ended")
        after = 0
        while True:
            with self._database.reading() as transaction:
                found = undo.unstarted(transaction, batch, after, bulk.GROUP)
            yield [Former(number, State.CANCELLED, 0, fence, 0) for number, fence in found.items()]
            if len(found) < bulk.GROUP:
                return
            after = max(found)

    def _undo_group(
        self, operation: Operation, group: Sequence[Former], move: Move, result: UndoResult
    ) -> None:
        former = {each.id: each for each in group}

        def act(transaction: Transaction, numbers: list[int]) -> Mapping[int, State]:
            return move(transaction, [former[number] for number in numbers])

        with self._database.reading() as transaction:
            present = listing.states_of(transaction, list(former))
        states = {number: present.get(number) for number in former}
        outcomes, _ = act_on_group(
            operation, states, Verb(act, frozenset(State), scores=move is _give_back_scores), result
        )
        left = [number for number, outcome in outcomes.items() if outcome is not Outcome.DONE]
        for number in left[:_SAMPLE]:
            result.leave(number, present.get(number))


def _move_of(done: Summary) -> Move:
    if _is_about_scores(done):
        return _give_back_scores
    return _bury_again if done.first.verb == "dead resurrect" else _move_back


def _give_back_scores(transaction: Transaction, former: Sequence[Former]) -> Mapping[int, State]:
    return dict.fromkeys(reprioritizing.give_back_scores(transaction, former), State.QUEUED)


def _move_back(transaction: Transaction, former: Sequence[Former]) -> Mapping[int, State]:
    now = now_ms()
    again = {each.id: each.fence for each in former if each.state is State.CANCELLED}
    return restoring.restore(transaction, former, now) | restoring.cancel_unchanged(transaction, again, now)


def _bury_again(transaction: Transaction, former: Sequence[Former]) -> Mapping[int, State]:
    done = _move_back(transaction, former)
    if done:
        dead_letters.forget_resurrection(transaction, list(done))
    return done


def _is_about_scores(done: Summary) -> bool:
    before = json.loads(done.first.before or "{}")
    return isinstance(before, dict) and "scores" in before


def _removed_schedules(contents: Iterable[str]) -> set[int]:
    return {content["removed"]["id"] for content in map(json.loads, contents) if "removed" in content}


def forget_undo(database: Database, before: int, limit: int) -> int:
    """Forget how to undo one group of what was done before a moment; return how many rows that were."""
    with database.writing() as transaction:
        count, contents = undo.forget(transaction, before, limit)
        gone = _removed_schedules(contents)
        if gone:  # one that was put back and removed again can still be put back
            gone -= _removed_schedules(undo.rows_naming(transaction, "removed"))
        for number in gone:
            schedules.forget(transaction, number)
    return count
