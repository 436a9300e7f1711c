"""Read a JSON array one member at a time, so that neither its length nor a hostile member costs memory."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, NoReturn

from queuectl.errors import BadInputFileError

MEMBER_LIMIT = 64 * 1024
"""The most characters a member may have."""

_WINDOW = 4 * MEMBER_LIMIT
_BLANK = re.compile(r"[ \t\r\n]*")


def members(name: str, text: str) -> Iterator[Any]:
    """Yield the members of the array that ``text`` is.

    Raises:
        BadInputFileError: it is no JSON array; the message says where. ``name`` is what it is called there.
    """
    decoder = json.JSONDecoder()
    place = _skip(text, 0)
    if text[place : place + 1] != "[":
        _refuse(name, text, place, "an array was expected")
    place = _skip(text, place + 1)
    window, start = "", 0
    if text[place : place + 1] == "]":
        _refuse_rest(name, text, place + 1)
        return
    while True:
        if start + len(window) < min(place + MEMBER_LIMIT + 1, len(text)):
            start, window = place, text[place : place + _WINDOW]
        value, end = _member(name, text, decoder, window, start, place)
        yield value
        place = _skip(text, end)
        mark = text[place : place + 1]
        if mark == "]":
            _refuse_rest(name, text, place + 1)
            return
        if mark != ",":
            _refuse(name, text, place, "a comma or ] was expected")
        place = _skip(text, place + 1)


def _member(
    name: str, text: str, decoder: json.JSONDecoder, window: str, start: int, place: int
) -> tuple[Any, int]:
    try:
        value, end = decoder.raw_decode(window, place - start)
    except json.JSONDecodeError as error:
        if start + len(window) < len(text) and start + error.pos > place + MEMBER_LIMIT:
            _refuse(name, text, place, f"a member is longer than {MEMBER_LIMIT // 1024} KiB")
        _refuse(name, text, start + error.pos, error.msg)
    except RecursionError:
        _refuse(name, text, place, "it is nested too deeply")
    except ValueError:
        _refuse(name, text, place, "a number has too many digits")
    if end - (place - start) > MEMBER_LIMIT:
        _refuse(name, text, place, f"a member is longer than {MEMBER_LIMIT // 1024} KiB")
    return value, start + end


def _skip(text: str, place: int) -> int:
    match = _BLANK.match(text, place)
    return match.end() if match is not None else place


def _refuse_rest(name: str, text: str, place: int) -> None:
    place = _skip(text, place)
    if place < len(text):
        _refuse(name, text, place, "something follows the array")


def _refuse(name: str, text: str, place: int, what: str) -> NoReturn:
    line = text.count("\n", 0, place) + 1
    column = place - text.rfind("\n", 0, place)
    raise BadInputFileError(
        f"{name} is no valid JSON array: {what[:1].lower()}{what[1:]} in line {line}, column {column}",
        hint='write it as ["https://…", {"url": "https://…", "priority": "high"}]',
    )
