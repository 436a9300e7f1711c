"""A glance at what comes next and at what ended last, by a few queries that are bounded however much is stored."""

from __future__ import annotations

from queuectl.domain.lifecycle import Move, State
from queuectl.domain.priority import QUEUES
from queuectl.domain.selection import Selection, Sort
from queuectl.domain.status import EndedRun
from queuectl.domain.task import Task
from queuectl.store import events, listing, waiting
from queuectl.store.database import Transaction


def look_ahead(transaction: Transaction, limit: int) -> list[Task]:
    """Return the next tasks of each queue in the order of their start, then those that fall due next."""
    numbers = [number for queue in QUEUES for number in waiting.first_queued(transaction, queue, limit)]
    numbers += waiting.first_due(transaction, limit)
    return [task for number, task in _by_number(transaction, numbers).items()]


def look_back(transaction: Transaction, limit: int) -> list[EndedRun]:
    """Return the tasks that ended last and the failed runs that are to be repeated, the last first."""
    ended = listing.page(transaction, Selection(limit=limit), Sort.FINISHED).tasks
    found = [EndedRun(task, task.finished_at or 0, task.state, task.error) for task in ended]
    failed = [
        each.event
        for each in events.latest_ends(transaction, Selection(), limit)
        if each.event.kind == Move.RETRY
    ]
    tasks = _by_number(transaction, [event.task for event in failed])
    found += [
        EndedRun(tasks[event.task], event.at, State.RETRYING, event.why)
        for event in failed
        if event.task in tasks
    ]
    return sorted(found, key=lambda each: (each.at, each.task.id), reverse=True)[:limit]


def _by_number(transaction: Transaction, numbers: list[int]) -> dict[int, Task]:
    """Return tasks in the order of ``numbers``."""
    if not numbers:
        return {}
    selection = Selection(ids=tuple(dict.fromkeys(numbers)), limit=len(numbers))
    found = {task.id: task for task in listing.tasks(transaction, selection)}
    return {number: found[number] for number in numbers if number in found}
