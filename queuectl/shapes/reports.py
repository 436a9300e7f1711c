"""The JSON shapes of reports that were written to files, and of planned deliveries."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from queuectl.domain.report import Report
from queuectl.times import iso

if TYPE_CHECKING:
    from queuectl.operations.reporter_delivery import PlannedDelivery


def receipt_shape(report: Report, path: Path, form: str, language: str) -> dict[str, Any]:
    """Return what was written where, for programs."""
    return {
        "path": str(path),
        "bytes": path.stat().st_size,
        "kind": report.period.kind,
        "format": form,
        "lang": language,
        "start": iso(report.period.begin),
        "end": iso(report.period.end),
        "until": iso(report.period.until),
        "timezone": report.zone,
        "metrics": [section.metric for section in report.sections],
    }


def delivery_shape(planned: PlannedDelivery) -> dict[str, Any]:
    """Return a line of the plan and how far it is, for programs."""
    delivery, state = planned.delivery, planned.state
    return {
        "id": delivery.key,
        "kind": delivery.kind,
        "cron": delivery.cron,
        "format": delivery.format,
        "lang": delivery.lang,
        "to": delivery.shown_target,
        "next_at": iso(planned.next_at),
        "delivered_at": iso(None if state is None else state.delivered_at),
        "failed_tries": 0 if state is None else state.tries,
        "problem": None if state is None else state.problem,
    }
