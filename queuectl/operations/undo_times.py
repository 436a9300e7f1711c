"""Undo for plans: a task that still waits for the time that a plan gave it gets back the time before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from queuectl.clock import now_ms
from queuectl.domain.bulk import Outcome
from queuectl.domain.undo import UndoResult
from queuectl.operations.auditing import Operation
from queuectl.store import listing, queues, restoring
from queuectl.store.database import Transaction
from queuectl.store.restoring import FormerTime

_SAMPLE = 5


def former_times(kept: Sequence[Sequence[Any]]) -> list[FormerTime]:
    """Return what was kept of a plan."""
    return [FormerTime(*each) for each in kept]


def foreseen(transaction: Transaction, former: Sequence[FormerTime]) -> tuple[Counter[str], list[int]]:
    """Count tasks by what undoing comes to, and return those that would be put back."""
    same = restoring.with_given_times(transaction, former)
    done = [each.id for each in former if same.get(each.id)]
    changed = len(same) - len(done)
    return Counter(done=len(done), changed=changed, missing=len(former) - len(same)), done


def put_back(operation: Operation, former: Sequence[FormerTime], result: UndoResult) -> None:
    """Give back what can be given back, in one transaction, as it was taken."""
    with operation.writing() as transaction:
        queues.lock_all(transaction)  # whoever plans meanwhile must see the starts that come back
        present = restoring.with_given_times(transaction, former)
        done = restoring.give_back_times(transaction, former, now_ms())
        left = [each.id for each in former if each.id not in done]
        states = listing.states_of(transaction, left[:_SAMPLE])
        if done:
            again = [
                FormerTime(each.id, each.given, each.given, each.due_at) for each in former if each.id in done
            ]
            operation.note(transaction, len(done), kept={"times": again})
    result.outcomes[Outcome.DONE] += len(done)
    for number in left:
        result.outcomes[Outcome.CHANGED if number in present else Outcome.MISSING] += 1
    for number in left[:_SAMPLE]:
        result.leave(number, states.get(number))
