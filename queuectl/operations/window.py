"""Read the window of an optimisation as people give it: times with or without a zone, and a cap."""

from __future__ import annotations

from collections.abc import Mapping

from queuectl.domain.optimisation import Window
from queuectl.errors import InvalidInputError
from queuectl.operations import fields
from queuectl.times import shown

_KEYS = ("start", "end", "max_per_hour")
_HIGHEST_CAP = 1_000_000
_EXAMPLE = 'give {"start": datetime, "end": datetime, "max_per_hour": 5}'


def window_from(given: object, zone: str, now: int) -> Window:
    """Return the window that a mapping with ``start``, ``end`` and ``max_per_hour`` means.

    Times without a zone are read in ``zone``; one that the clocks skip is the first moment after the gap.

    Raises:
        InvalidInputError: a key is missing or unknown, a value is of the wrong kind or out of range,
            the window ends before it starts, or it has passed already.
    """
    if not isinstance(given, Mapping):
        raise InvalidInputError(f"the window {given!r:.60} is not a mapping", hint=_EXAMPLE)
    missing = [key for key in _KEYS if key not in given]
    unknown = [f"{key!r:.30}" for key in given if key not in _KEYS]
    if missing or unknown:
        problems = [f"{' and '.join(missing)} missing"] if missing else []
        problems += [f"{' and '.join(unknown)} unknown"] if unknown else []
        raise InvalidInputError(f"the window is not complete: {', '.join(problems)}", hint=_EXAMPLE)
    start, end = (fields.moment(given[key], zone) for key in _KEYS[:2])
    if end <= start:
        raise InvalidInputError(
            f"the window ends at {shown(end, zone)}, which is not after its start at {shown(start, zone)}",
            hint="give an end that is later than the start",
        )
    if end <= now:
        raise InvalidInputError(
            f"the window has passed: it ended at {shown(end, zone)}", hint="give an end that is still to come"
        )
    return Window(start, end, _cap(given["max_per_hour"]))


def _cap(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= _HIGHEST_CAP:
        raise InvalidInputError(
            f"the number of starts in an hour {value!r:.30} is not a whole number from 1 to {_HIGHEST_CAP}",
            hint="give one such as 5",
        )
    return value
