"""The health: its score, its level, and each check with what it costs."""

from __future__ import annotations

from typing import Any

from queuectl.domain.health import Health, HealthCheck
from queuectl.times import iso


def health_shape(health: Health) -> dict[str, Any]:
    """Return the health; of each check the value with its unit and limits, the points, and what mends it."""
    return {
        "at": iso(health.at),
        "score": health.score,
        "level": health.level.value,
        "checks": [_check_shape(check) for check in health.checks],
    }


def _check_shape(check: HealthCheck) -> dict[str, Any]:
    return {
        "name": check.name,
        "level": check.level.value,
        "points": check.points,
        "most": check.most,
        "detail": check.detail,
        "value": check.value,
        "unit": check.unit,
        "warning": check.warning,
        "critical": check.critical,
        "mend": check.mend,
    }
