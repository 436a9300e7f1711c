"""Check the fields of a submission, and bring them into the form in which they are stored."""

from __future__ import annotations

import json
import re
from datetime import datetime

from queuectl.domain.task import ArticleTask
from queuectl.errors import InvalidInputError, InvalidURLError
from queuectl.settings import Settings
from queuectl.times import is_kept, localised, milliseconds, zone_named

METADATA_LIMIT = 64 * 1024
"""The most characters a task's metadata may have as JSON."""


METADATA_DEPTH = 200
"""How deep a task's metadata may be nested; readers of JSON give up somewhere below a thousand levels."""

_OPENING = re.compile(r"[\[{]")


def check(task: ArticleTask) -> None:
    """Check what needs no more than the field itself.

    Raises:
        InvalidInputError: a field is of the wrong type or out of range; the message says which.
    """
    url: object = task.url
    if not isinstance(url, str):
        raise InvalidURLError(f"the URL {url!r:.60} is not a text", hint="give it as a str")
    handler: object = task.handler
    if not isinstance(handler, str):
        raise InvalidInputError(f"the handler {handler!r:.60} is not a name", hint="give it as a str")
    _check_number("timeout", task.timeout, 0.001, 7 * 86_400)
    _check_number("memory limit", task.memory_limit, 16, 1_048_576, whole=True)
    _check_number("number of retries", task.max_retries, 0, 1_000, whole=True)


def check_handler(name: object, settings: Settings) -> None:
    """Check that there is a handler of that name.

    Raises:
        InvalidInputError: there is none.
    """
    if name != "article" and name not in settings.handlers:
        known = ", ".join(sorted({"article", *settings.handlers}))
        raise InvalidInputError(
            f"there is no handler {name!r:.60}", hint=f"configure [handlers.{name}], or use one of: {known}"
        )


def _check_number(what: str, value: object, least: float, most: float, *, whole: bool = False) -> None:
    if value is None:
        return
    kinds = int if whole else int | float
    if isinstance(value, bool) or not isinstance(value, kinds) or not least <= value <= most:
        kind = "whole number" if whole else "number"
        raise InvalidInputError(
            f"the {what} {value!r:.60} is not a {kind} between {least:g} and {most:g}",
            hint="give a number in that range",
        )


def metadata(value: object) -> str:
    """Return metadata as JSON text.

    Raises:
        InvalidInputError: it is no mapping, too long, or holds something that JSON cannot.
    """
    if value == {}:
        return "{}"
    if not isinstance(value, dict):
        raise InvalidInputError("the metadata is not a mapping", hint='give a dict such as {"author": "Ann"}')
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
        text.encode()
    except UnicodeEncodeError:
        text = json.dumps(value)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidInputError(f"the metadata cannot be stored as JSON: {error}") from error
    if len(text) > METADATA_LIMIT:
        raise InvalidInputError(f"the metadata is {len(text)} characters long; {METADATA_LIMIT} are allowed")
    # More brackets than levels are rare, so their nesting is seldom looked at.
    if len(_OPENING.findall(text)) > METADATA_DEPTH and _depth(value) > METADATA_DEPTH:
        raise InvalidInputError(f"the metadata is nested deeper than {METADATA_DEPTH} levels")
    return text


def _depth(value: object) -> int:
    """Return the levels of a value that has been encoded, so it has no cycles."""
    depth, level = 0, [value]
    while level:
        depth += 1
        level = [inner for outer in level for inner in _inside(outer)]
    return depth


def _inside(value: object) -> list[object]:
    if isinstance(value, dict):
        return list(value.values())
    return list(value) if isinstance(value, list | tuple) else []


def moment(value: object, zone: str) -> int:
    """Return a time in UTC milliseconds; one without a zone is read in ``zone``.

    Raises:
        InvalidInputError: it is no time, or so far away that it cannot be stored.
    """
    if not isinstance(value, datetime):
        raise InvalidInputError(f"the time {value!r:.60} is not a datetime", hint="give a datetime.datetime")
    try:
        at = milliseconds(value if value.tzinfo else localised(value, zone_named(zone)))
    except (OverflowError, ValueError) as error:
        raise InvalidInputError(f"the time {value} is out of range") from error
    if not is_kept(at):
        raise InvalidInputError(f"the time {value} is out of range")
    return at
