"""The record of a task that will not run again unless a person says so, and what such records have in common."""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import sha256

from queuectl.errors import DeadLetterNotFoundError

_SHAPE_LIMIT = 160
_LOOKED_AT = 500
_BLANKS = tuple(
    (re.compile(pattern), blank)
    for pattern, blank in (
        (r"\b[a-z][a-z0-9+.-]*://[^\s'\"<>)\]]+", "<url>"),
        (
            r"(?<!\w)'(?:[^'\\]|\\.)*'(?!\w)|\"(?:[^\"\\]|\\.)*\"|`[^`]*`|“[^”]*”|「[^」]*」|《[^》]*》",
            "<text>",
        ),
        (r"\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b", "<id>"),
        (r"\b(?:0x[0-9a-fA-F]+|(?=[0-9a-fA-F]*[0-9])(?=[0-9a-fA-F]*[a-fA-F])[0-9a-fA-F]{8,})\b", "<id>"),
        (r"\b(?:task|batch)_[0-9]+\b", "<id>"),
        # A status tells one failure from another; any other number tells one occurrence from another.
        (r"(?<!HTTP )(?<!status )(?<!answered )(?<![0-9])[0-9]+(?:[.,:][0-9]+)*", "<n>"),
    )
)


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """Why and when a task was given up; ``cause`` is one word, ``error`` what the last attempt said.

    ``failure`` is the key of the kind of failure, which is its cause and the shape of its error.
    ``resurrected_as`` is the number of the task that came of it last. Times are UTC milliseconds.
    """

    id: int
    task_id: int
    queue: str
    url: str
    handler: str
    cause: str
    error: str | None
    attempts: int
    died_at: int
    host: str
    batch_id: int | None
    priority_score: int
    failure: str
    shape: str
    resurrected_as: int | None = None
    resurrected_at: int | None = None


@dataclass(frozen=True, slots=True)
class DeadLetterSelection:
    """Which dead letters are meant; an empty one matches all that have not been resurrected.

    ``since`` and ``until`` bound the death, in UTC milliseconds. ``url`` and ``error`` match anywhere in
    the text. ``resurrected`` adds those that were resurrected already, ``after`` continues behind a number.
    """

    ids: tuple[int, ...] = ()
    queues: tuple[str, ...] = ()
    batch: int | None = None
    host: str | None = None
    url: str | None = None
    error: str | None = None
    cause: str | None = None
    failure: str | None = None
    since: int | None = None
    until: int | None = None
    resurrected: bool = False
    after: int | None = None
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class FailureGroup:
    """Dead letters of one cause whose errors have one shape; ``example`` is the newest of them."""

    failure: str
    cause: str
    shape: str
    letters: int
    first_at: int
    last_at: int
    example: DeadLetter


def error_shape(error: str | None) -> str:
    """Return an error's first line with its numbers, ids, URLs and quoted parts blanked out."""
    lines = (error or "").strip()[:_LOOKED_AT].splitlines()
    shape = " ".join(lines[0].split()) if lines else ""
    for pattern, blank in _BLANKS:
        shape = pattern.sub(blank, shape)
    return shape if len(shape) <= _SHAPE_LIMIT else shape[: _SHAPE_LIMIT - 1] + "…"


def failure_key(cause: str, shape: str) -> str:
    """Return the eight characters that name a kind of failure."""
    return sha256(f"{cause}\n{shape}".encode()).hexdigest()[:8]


def dead_letter_number(value: object) -> int:
    """Return the number of a dead letter, given as a number or as a text.

    Raises:
        DeadLetterNotFoundError: it is no such number, so no dead letter has it.
    """
    text = str(value).strip()
    if not (text.isascii() and text.isdecimal()) or len(text) > 18:
        raise DeadLetterNotFoundError(
            f"{text!r} is not a dead letter's number", hint="see: queuectl dead list"
        )
    return int(text)


def no_such_letter(number: int) -> DeadLetterNotFoundError:
    """Return the error for a dead letter that is not there."""
    return DeadLetterNotFoundError(f"there is no dead letter {number}", hint="see: queuectl dead list")
