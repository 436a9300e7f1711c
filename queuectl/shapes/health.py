"""The health: its score, its level, and each check with what it costs."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from queuectl.domain.health import Health
from queuectl.times import iso


def health_shape(health: Health) -> dict[str, Any]:
    """Return the health; of each check the value with its unit and limits, the points, and what mends it."""
    return {
        "at": iso(health.at),
        "score": health.score,
        "level": health.level.value,
        "checks": [asdict(check) | {"level": check.level.value} for check in health.checks],
    }
