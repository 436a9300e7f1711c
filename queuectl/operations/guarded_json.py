"""Read JSON from strangers: nothing that another reader might understand differently, and nothing that overwhelms."""

from __future__ import annotations

import json
import math
import re
from typing import Any, NoReturn

_OUTSIDE_OF_STRINGS = re.compile(r'"(?:[^"\\]|\\.)*"?|[^\[\]{}"]+', re.DOTALL)


class UnfitJSONError(ValueError):
    """The text is no JSON, or JSON that is not to be trusted; the message ends the sentence "it …"."""


def parse(text: str, deepest: int) -> Any:
    """Return the value of a JSON text.

    Raises:
        UnfitJSONError: it is not JSON, is nested deeper than ``deepest`` levels, gives a field twice, or holds
            a number that is none or has too many digits.
    """
    # More brackets than levels are rare, so their nesting is seldom looked at.
    if text.count("{") + text.count("[") > deepest and _depth(text) > deepest:
        raise UnfitJSONError(f"is nested deeper than {deepest} levels")
    try:
        return _decode(text)
    except json.JSONDecodeError as error:
        raise UnfitJSONError(f"is not JSON: {error.msg} at column {error.colno}") from error
    except UnfitJSONError:
        raise
    except (ValueError, RecursionError) as error:  # a number with thousands of digits
        raise UnfitJSONError("holds a number with too many digits") from error


def _depth(text: str) -> int:
    depth = deepest = 0
    for mark in _OUTSIDE_OF_STRINGS.sub("", text):
        depth += 1 if mark in "[{" else -1
        deepest = max(deepest, depth)
    return deepest


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        names = [name for name, _ in pairs]
        repeated = next(name for name in names if names.count(name) > 1)
        raise UnfitJSONError(f"gives the field {repeated!r:.60} twice")
    return fields


def _no_number(name: str) -> NoReturn:
    raise UnfitJSONError(f"holds {name}, which is not a number in JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise UnfitJSONError(f"holds the number {text[:30]}, which is out of range")
    return number


_decode = json.JSONDecoder(
    object_pairs_hook=_without_repetition, parse_constant=_no_number, parse_float=_finite
).decode
