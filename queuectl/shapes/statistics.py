"""What happened in a period: the counts of its steps, with how long tasks waited and ran."""

from __future__ import annotations

from typing import Any

from queuectl.domain.statistics import Counts, Statistics
from queuectl.times import iso

_COUNTS = (
    "submitted", "imported", "attempts", "succeeded", "failed", "retried", "dead", "cancelled", "released", "requeued",
    "restored",
)  # fmt: skip


def statistics_shape(found: Statistics) -> dict[str, Any]:
    """Return statistics for programs; rows that count nothing are left out."""
    return {
        "start": iso(found.start),
        "end": iso(found.end),
        "step": None if found.step is None else found.step.value,
        "by": None if found.by is None else found.by.value,
        "total": _counts_shape(found.total),
        "rows": [
            {"start": iso(row.start), "end": iso(row.end), "name": row.name, **_counts_shape(row.counts)}
            for row in found.rows
        ],
        "failures": [
            {
                "queue": each.queue,
                "failure": each.failure,
                "cause": each.cause,
                "shape": each.shape,
                "retried": each.retried,
                "dead": each.dead,
            }
            for each in found.failures
        ],
    }


def _counts_shape(counts: Counts) -> dict[str, Any]:
    rate = counts.failure_rate
    shape: dict[str, Any] = {name: getattr(counts, name) for name in _COUNTS}
    return shape | {"failure_rate": None if rate is None else round(rate, 4)}
