"""What people may set for a queue: each key, what it accepts, and how its value is written."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any

from queuectl.domain.admission import QueueRules
from queuectl.domain.rate import parse_rate
from queuectl.errors import InvalidInputError

NONE = "none"
"""How people write that there is no limit."""

_WHOLE = re.compile(r"[+-]?[0-9]{1,15}")
_SHOWN = 40


@dataclass(frozen=True, slots=True)
class Limit:
    """What a limit may be. ``check`` returns the value or raises ValueError, or an error that says more."""

    accepts: str
    check: Callable[[object], Any]
    unit: str = ""


@dataclass(frozen=True, slots=True)
class LimitChange:
    """One limit as it was and as it is now, both as people write them."""

    key: str
    before: str
    after: str


def _whole(low: int, high: int, unit: str = "") -> Limit:
    def check(value: object) -> int:
        if isinstance(value, str) and _WHOLE.fullmatch(value.strip()):
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise ValueError
        return value

    return Limit(f"a whole number from {low:,} to {high:,}", check, unit)


def _seconds(low: float, high: float) -> Limit:
    def check(value: object) -> float:
        if isinstance(value, str):
            value = float(value)
        number = value if isinstance(value, int | float) and not isinstance(value, bool) else math.nan
        if not low <= number <= high:
            raise ValueError
        return float(number)

    return Limit(f"seconds from {low:g} to {high:,.0f}", check, "s")


LIMITS: Mapping[str, Limit] = MappingProxyType(
    {
        "max_size": _whole(1, 1_000_000_000),
        "rate_limit": Limit("5/s, 10/m, 150/h or 1000/d", parse_rate),
        "concurrency": _whole(1, 100_000),
        "host_gap": _seconds(0.001, 86_400),
        "host_concurrency": _whole(1, 100_000),
        "task_timeout": _seconds(0.1, 604_800),
        "memory_limit": _whole(16, 1_048_576, "MB"),
        "max_retries": _whole(0, 1_000),
        "retry_backoff": _seconds(0, 86_400),
    }
)
"""Every key; each is a field of ``QueueRules`` too."""


def read_limits(given: Mapping[str, object]) -> dict[str, Any]:
    """Return the limits that somebody has written, ready to be kept; None stands for no limit.

    Raises:
        InvalidInputError: there is none, or some are not acceptable; the message names all of these.
    """
    if not given:
        raise InvalidInputError("no limit is given", hint=f"the limits are {', '.join(LIMITS)}")
    values: dict[str, Any] = {}
    problems: list[str] = []
    for key, value in given.items():
        limit = LIMITS.get(key)
        if limit is None:
            problems.append(_unknown(key))
            continue
        try:
            values[key] = None if _means_none(value) else limit.check(value)
        except (ValueError, InvalidInputError):
            problems.append(f"{key} is {_said(value)}, accepted is {limit.accepts}")
    if problems:
        raise InvalidInputError(
            f"nothing was changed: {'; '.join(problems)}", hint="see: queuectl queue set --help"
        )
    return values


def changes(before: QueueRules, values: Mapping[str, Any]) -> list[LimitChange]:
    """Return the limits that these values change, in the order in which they are given."""
    return [
        LimitChange(key, written(present), written(value))
        for key, value in values.items()
        if (present := getattr(before, key)) != value
    ]


def written(value: object) -> str:
    """Return a limit as people write it."""
    if value is None:
        return NONE
    return f"{value:g}" if isinstance(value, float) else str(value)


def _means_none(value: object) -> bool:
    return value is None or (isinstance(value, str) and value.strip().lower() == NONE)


def _unknown(key: object) -> str:
    near = get_close_matches(str(key), LIMITS, n=1, cutoff=0.5)
    return f"{_said(key)} is no limit" + (f", did you mean {near[0]}?" if near else "")


def _said(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
