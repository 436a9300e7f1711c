"""How far batches are, and when they may be expected to end."""

from __future__ import annotations

from collections.abc import Sequence

from queuectl.domain.batch import BatchStatus, expected_end
from queuectl.domain.dead_letter import DeadLetterSelection
from queuectl.domain.lifecycle import State
from queuectl.domain.task import batch_name, batch_number
from queuectl.errors import BatchNotFoundError
from queuectl.store import batches, counters, dead_letters, nodes
from queuectl.store.batches import BatchRecord
from queuectl.store.counters import BatchEnds
from queuectl.store.database import Transaction

_PACE_MS = 600_000
_PACE_ENDS = 10_000
_SHORTEST_MS = 1_000
_FAILURES = 20
_NONE = BatchEnds(0, 0, 0)


def list_batches(transaction: Transaction, limit: int) -> list[BatchStatus]:
    """Return batches, the newest first, without their failures and next due times."""
    return _statuses(transaction, batches.newest(transaction, limit))


def batch_status(transaction: Transaction, batch_id: str | int) -> BatchStatus:
    """Return how far a batch is.

    Raises:
        BatchNotFoundError: there is none with this number.
    """
    number = batch_number(batch_id)
    record = batches.one(transaction, number)
    if record is None:
        raise BatchNotFoundError(f"there is no batch {batch_name(number)}", hint="see: queuectl batches")
    (status,) = _statuses(transaction, [record])
    failed = DeadLetterSelection(batch=number, resurrected=True)
    return BatchStatus(
        **{name: getattr(status, name) for name in BatchStatus.__slots__}
        | {
            "next_due_at": batches.next_due(transaction, record) if status.open else None,
            "failures": tuple(dead_letters.groups(transaction, failed, _FAILURES)) if status.dead else (),
        }
    )


def _statuses(transaction: Transaction, records: Sequence[BatchRecord]) -> list[BatchStatus]:
    if not records:
        return []
    numbers = [record.id for record in records]
    now = transaction.now()
    ends = counters.of_batches(transaction, numbers)
    running = batches.running(transaction, numbers)
    recent = batches.recent_ends(transaction, numbers, now - _PACE_MS, _PACE_ENDS)
    alive = [node for node in nodes.every(transaction) if node.lease_until > now]
    overall = sum(node.per_minute for node in alive)
    found = []
    for record in records:
        succeeded, dead, cancelled = (
            ends.get((record.id, state), _NONE) for state in (State.SUCCEEDED, State.DEAD, State.CANCELLED)
        )
        open_tasks = max(0, record.submitted - succeeded.tasks - dead.tasks - cancelled.tasks)
        pace = _pace(recent.get(record.id), now)
        last = max(each.last_at for each in (succeeded, dead, cancelled))
        spread = record.interval_minutes > 0
        expected = expected_end(open_tasks, record.planned_until, pace or overall, now, spread=spread)
        found.append(
            BatchStatus(
                id=record.id,
                name=record.name,
                created_at=record.created_at,
                interval_minutes=record.interval_minutes,
                submitted=record.submitted,
                running=running[record.id],
                succeeded=succeeded.tasks,
                dead=dead.tasks,
                cancelled=cancelled.tasks,
                started_at=record.started_at,
                finished_at=last if not open_tasks and last else None,
                planned_until=record.planned_until,
                next_due_at=None,
                per_minute=pace,
                expected_at=expected if alive else None,
            )
        )
    return found


def _pace(recent: tuple[int, int] | None, now: int) -> float | None:
    """Return the ends a minute, from their number and the time of the first of them."""
    if recent is None:
        return None
    count, first = recent
    return count / max(_SHORTEST_MS, now - first) * 60_000
