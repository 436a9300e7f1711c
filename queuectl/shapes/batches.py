"""Batches and their progress."""

from __future__ import annotations

from typing import Any

from queuectl.domain.batch import BatchStatus
from queuectl.domain.task import batch_name
from queuectl.shapes.dead_letters import group_shape
from queuectl.times import iso


def batch_shape(batch: BatchStatus) -> dict[str, Any]:
    """Return a batch's progress for programs; ``expected_at`` is an estimate, null where there is none."""
    return {
        "batch_id": batch_name(batch.id),
        "name": batch.name,
        "created_at": iso(batch.created_at),
        "interval_minutes": batch.interval_minutes,
        "submitted": batch.submitted,
        "open": batch.open,
        "running": batch.running,
        "succeeded": batch.succeeded,
        "dead": batch.dead,
        "cancelled": batch.cancelled,
        "fraction": round(batch.fraction, 4),
        "started_at": iso(batch.started_at),
        "finished_at": iso(batch.finished_at),
        "planned_until": iso(batch.planned_until),
        "per_minute": None if batch.per_minute is None else round(batch.per_minute, 2),
        "expected_at": iso(batch.expected_at),
    }


def failures_shape(batch: BatchStatus) -> dict[str, Any]:
    """Return what only one batch's own status has."""
    return {
        "next_due_at": iso(batch.next_due_at),
        "failures": [group_shape(each) for each in batch.failures],
    }
