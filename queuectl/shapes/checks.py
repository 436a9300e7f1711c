"""What was looked at, and what was found."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from queuectl.operations.administration import Check


def check_shape(check: Check) -> dict[str, Any]:
    """Return a check."""
    shape = asdict(check)
    del shape["exit_code"]
    return shape
