"""The record of what people did: its lines, how each is tied to the one before, and how a forgery is found.

Each line's hash is the SHA-256 of the line before and its own content, so that anybody can follow the chain; its seal
is the HMAC-SHA-256 of the same under a key that is not in the database, so that nobody else can make one.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

BEGINNING = "0" * 64
"""What stands before the first line."""

_KEPT_FAULTS = 20
_LAST_NUMBER = 2**63 - 1


def may_be_number(number: int) -> bool:
    """Tell whether a line could have this number."""
    return 1 <= number <= _LAST_NUMBER


@dataclass(frozen=True, slots=True)
class AuditLine:
    """What somebody did to one group of things, in one transaction.

    ``operation`` is the number of the first line of the same command, ``at`` UTC milliseconds by the
    database's clock, ``before`` and ``after`` are JSON texts, ``undoes`` is the operation that this one puts
    back, ``key`` names the key of the seal.
    """

    number: int
    operation: int
    at: int
    who: str
    host: str
    verb: str
    target: str
    things: int
    before: str | None
    after: str | None
    undoes: int | None
    key: str
    hash: str
    seal: str


CONTENT = (
    "number", "operation", "at", "who", "host", "verb", "target", "things", "before", "after", "undoes", "key",
)  # fmt: skip
"""The fields that a hash covers, in their order."""


def link(previous: str, content: Iterable[object]) -> bytes:
    """Return what hash and seal of a line are made of: the hash before it and its fields, in canonical JSON."""
    return json.dumps([previous, *content], separators=(",", ":"), ensure_ascii=True).encode()


def link_of(previous: str, line: AuditLine) -> bytes:
    """Return the same for a line that exists."""
    return link(previous, [getattr(line, name) for name in CONTENT])


def hashed(linked: bytes) -> str:
    """Return a line's hash."""
    return hashlib.sha256(linked).hexdigest()


def sealed(key: bytes, linked: bytes) -> str:
    """Return a line's seal."""
    return hmac.new(key, linked, hashlib.sha256).hexdigest()


def key_name(key: bytes) -> str:
    """Return the name by which lines call the key of their seals; nothing of the key can be learned from it."""
    return hashlib.sha256(b"queuectl audit key\n" + key).hexdigest()[:8]


@dataclass(frozen=True, slots=True)
class Head:
    """The end of the record as it is kept apart from the lines; it is sealed too."""

    number: int = 0
    hash: str = BEGINNING
    key: str = ""
    seal: str = ""

    @staticmethod
    def of(line: AuditLine, key: bytes) -> Head:
        """Return the head that a new last line makes."""
        return Head(line.number, line.hash, line.key, sealed(key, _head_link(line.number, line.hash)))

    @staticmethod
    def read(text: str | None) -> Head | None:
        """Return the head that is kept as a text, or None if it is not one."""
        parts = (text or "").split(":")
        if len(parts) != 4 or not parts[0].isascii() or not parts[0].isdigit() or len(parts[0]) > 18:
            return None
        return Head(int(parts[0]), *parts[1:])

    def __str__(self) -> str:
        return f"{self.number}:{self.hash}:{self.key}:{self.seal}"

    def is_sealed_by(self, key: bytes) -> bool:
        """Tell whether the seal is that of this key; before the first line there is none."""
        if not self.number:
            return self == Head()
        return hmac.compare_digest(sealed(key, _head_link(self.number, self.hash)), self.seal)


def _head_link(number: int, last: str) -> bytes:
    return link("head", [number, last])


@dataclass(slots=True)
class Verdict:
    """What an examination of the record came to; ``faults`` holds the first of ``faulty`` findings.

    ``unchecked`` counts the lines whose seal is of a key that is not here, by that key's name.
    """

    lines: int = 0
    last_hash: str = BEGINNING
    faulty: int = 0
    faults: list[str] = field(default_factory=list)
    unchecked: Counter[str] = field(default_factory=Counter)

    @property
    def sound(self) -> bool:
        """Whether nothing wrong was found."""
        return not self.faulty

    def find(self, fault: str) -> None:
        """Take down something that is wrong."""
        self.faulty += 1
        if len(self.faults) < _KEPT_FAULTS:
            self.faults.append(fault)


def examine(
    lines: Iterable[AuditLine], head: Head | None, key: bytes | None, anchor: tuple[int, str] | None = None
) -> Verdict:
    """Compare lines, which come in the order of their numbers, with each other, the head, and the key if it is here.

    ``anchor`` is a number and a hash that were written down earlier.
    """
    verdict = Verdict()
    own = "" if key is None else key_name(key)
    number, previous = 0, BEGINNING
    for line in lines:
        verdict.lines += 1
        if line.number != number + 1:
            verdict.find(_gap(number + 1, line.number - 1))
            previous = ""
        _examine_line(verdict, line, previous, key if line.key == own else None)
        if anchor is not None and line.number == anchor[0] and line.hash != anchor[1]:
            verdict.find(f"line {line.number} is not the one that was written down as {anchor[1][:12]}…")
        number, previous = line.number, line.hash
    verdict.last_hash = previous
    if anchor is not None and number < anchor[0]:
        verdict.find(f"lines up to {anchor[0]} were written down, and the record ends at {number}")
    _examine_head(verdict, number, previous, head, key if head is not None and head.key == own else None)
    return verdict


def _examine_line(verdict: Verdict, line: AuditLine, previous: str, key: bytes | None) -> None:
    # After a gap the hash before is lost with the line that had it, and only the gap is known.
    if previous:
        linked = link_of(previous, line)
        if not hmac.compare_digest(hashed(linked), line.hash):
            verdict.find(f"line {line.number} was changed, or does not follow the line before it")
        elif key is not None and not hmac.compare_digest(sealed(key, linked), line.seal):
            verdict.find(f"line {line.number} was not written with the key that it names")
    if key is None:
        verdict.unchecked[line.key] += 1


def _examine_head(verdict: Verdict, number: int, previous: str, head: Head | None, key: bytes | None) -> None:
    if head is None:
        verdict.find("the note of where the record ends is missing or was changed")
    elif head.number > number:
        verdict.find(f"{_gap(number + 1, head.number)} from the end")
    elif head.number < number:
        verdict.find(f"the record was to end at line {head.number}, and there are lines up to {number}")
    elif head.hash != previous or (head.number == 0 and head != Head()):
        verdict.find(f"the note of where the record ends does not fit its last line, {number}")
    elif key is not None and not head.is_sealed_by(key):
        verdict.find("the note of where the record ends was not written with the key that it names")


def _gap(first: int, last: int) -> str:
    return f"line {first} is missing" if first == last else f"lines {first} to {last} are missing"
