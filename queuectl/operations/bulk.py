"""Act on many tasks in groups: each is one transaction, so that memory stays flat and daemons keep running."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from queuectl.domain.bulk import BulkResult, Outcome
from queuectl.domain.lifecycle import State
from queuectl.domain.selection import Selection
from queuectl.errors import ConflictError, DuplicateTaskError, PartlyDoneError, QueuectlError
from queuectl.operations.auditing import Operation
from queuectl.store import listing
from queuectl.store.database import Database, Transaction

GROUP = 2_000
"""So many tasks are changed in one transaction."""

_PAUSE_SECONDS = 0.01
_CONFLICTS = 20

T = TypeVar("T")

Act = Callable[[Transaction, list[int]], Mapping[int, State]]
"""Changes what can be changed of these tasks and returns the new states of those that were."""


@dataclass(frozen=True, slots=True)
class Verb:
    """An action on tasks: what it does, the states that it can start from, and whether it changes scores."""

    act: Act
    sources: frozenset[State]
    scores: bool = False


@dataclass(frozen=True, slots=True)
class Progress:
    """What became of one group; ``result`` holds all groups up to this one. ``asked`` are those that go on running."""

    done: list[int]
    asked: list[int]
    outcomes: Mapping[int, Outcome]
    result: BulkResult


def in_groups(
    database: Database,
    operation: Operation,
    selection: Selection,
    verb: Verb,
    *,
    on_group: Callable[[Progress], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> BulkResult:
    """Act on every task that matches now, the oldest first; later ones are left alone.

    ``should_stop`` is asked between groups. An error after something is done ends it and is the result's ``reason``.

    Raises:
        QueuectlError: nothing is done.
    """
    result = BulkResult()
    for group in until_stopped(result, _groups(database, selection.narrowed(verb.sources))):
        outcomes, asked = act_on_group(operation, group, verb, result)
        if on_group:
            done = [number for number, outcome in outcomes.items() if outcome is Outcome.DONE]
            on_group(Progress(done, asked, outcomes, result))
        if should_stop is not None and should_stop():
            result.stopped = True
            break
        threading.Event().wait(_PAUSE_SECONDS)  # SQLite's write lock is not fair
    return result


def until_stopped(result: BulkResult, groups: Iterator[T]) -> Iterator[T]:
    """Yield groups until the result is stopped; that one cannot be read stops it as well.

    Raises:
        QueuectlError: one cannot be read, and nothing is done.
    """
    try:
        for group in groups:
            yield group
            if result.stopped:
                return
    except QueuectlError as error:
        result.stop(error)


def partly_done(what: str, done: int, error: QueuectlError) -> PartlyDoneError:
    """Return how a verb without a result of its own ends when an error comes after the first groups."""
    return PartlyDoneError(
        f"{done:,} {what} before it ended: {error.message}", hint=error.hint, done=done, reason=error
    )


def _groups(database: Database, selection: Selection) -> Iterator[dict[int, State | None]]:
    """Yield numbers and states of the tasks that match, and None for ids that no task has."""
    if selection.ids:
        yield from _groups_of_ids(database, selection)
        return
    above, left = 0, selection.limit
    with database.reading() as transaction:
        last = listing.newest(transaction)
    while left is None or left > 0:
        size = GROUP if left is None else min(GROUP, left)
        with database.reading() as transaction:
            found = listing.walk(transaction, selection, above=above, up_to=last, limit=size)
        if found:
            yield dict(found)
        if len(found) < size:
            return
        above = found[-1][0]
        left = None if left is None else left - len(found)


def _groups_of_ids(database: Database, selection: Selection) -> Iterator[dict[int, State | None]]:
    """Yield the named tasks that match the filters too, and those that do not exist."""
    numbers = sorted(set(selection.ids))[: selection.limit]
    for start in range(0, len(numbers), GROUP):
        chunk = numbers[start : start + GROUP]
        with database.reading() as transaction:
            chosen = _with_ids(selection, chunk)
            found = dict(listing.walk(transaction, chosen, above=0, up_to=2**62, limit=GROUP))
            existing = listing.states_of(transaction, chunk)
        yield {number: found.get(number) for number in chunk if number in found or number not in existing}


def _with_ids(selection: Selection, ids: Sequence[int]) -> Selection:
    return replace(selection, ids=tuple(ids), limit=None)


def act_on_group(
    operation: Operation, group: Mapping[int, State | None], verb: Verb, result: BulkResult
) -> tuple[dict[int, Outcome], list[int]]:
    """Act on a group and add what came of it to ``result``, which an error stops in the middle of it too.

    Return the outcomes, and which tasks go on running.

    Raises:
        QueuectlError: nothing is done, in this group and those before.
    """
    present = [number for number, state in group.items() if state in verb.sources]
    done: dict[int, State] = {}
    duplicates: set[int] = set()
    failure = None
    try:
        _act(operation, present, verb, done, duplicates)
    except QueuectlError as error:
        failure = error
        group = {number: group[number] for number in (*done, *duplicates)}
    asked = [number for number, state in done.items() if state is State.RUNNING]
    outcomes = {number: _outcome(number, state, verb, done, duplicates) for number, state in group.items()}
    result.operation = operation.number
    result.outcomes.update(outcomes.values())
    result.asked += len(asked)
    if failure is not None:
        result.stop(failure)
    return outcomes, asked


def _act(
    operation: Operation, numbers: list[int], verb: Verb, done: dict[int, State], duplicates: set[int]
) -> None:
    """Add the new states of those it was done to, and which could not for being unique, as soon as that is sure."""
    if not numbers:
        return
    try:
        done.update(_act_at_once(operation, numbers, verb))
    except DuplicateTaskError:
        if len(numbers) == 1:
            duplicates.update(numbers)
            return
    else:
        return
    # One of them is in the way; halving finds which ones, and everything else is done.
    middle = len(numbers) // 2
    _act(operation, numbers[:middle], verb, done, duplicates)
    _act(operation, numbers[middle:], verb, done, duplicates)


def _act_at_once(operation: Operation, numbers: list[int], verb: Verb) -> dict[int, State]:
    """Act in one transaction, and when another writer is in the way once more."""
    conflicts = 0
    while True:
        try:
            with operation.writing() as transaction:
                done = dict(verb.act(transaction, numbers))
                operation.note_tasks(transaction, done, scores=verb.scores)
            return done
        except ConflictError:
            conflicts += 1
            if conflicts > _CONFLICTS:
                raise
            threading.Event().wait(_PAUSE_SECONDS)


def _outcome(
    number: int, before: State | None, verb: Verb, done: Mapping[int, State], duplicates: Iterable[int]
) -> Outcome:
    if number in done:
        return Outcome.DONE
    if before is None:
        return Outcome.MISSING
    if number in duplicates:
        return Outcome.DUPLICATE
    return Outcome.CHANGED if before in verb.sources else Outcome.WRONG_STATE
