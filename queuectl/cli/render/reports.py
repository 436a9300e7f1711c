"""The JSON shape of a report that was written to a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from queuectl.domain.report import Report
from queuectl.times import iso


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
